//! `cargo xtask test`: prepare, build, run each suite, and close with one line for each.
//!
//! A suite that fails does not stop the next. The exit code says "failed" exactly when the last
//! line counts a failure.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::builder::PossibleValuesParser;

use crate::cargo::{cannot_start, cargo, holds, program, succeeds};
use crate::needs;
use crate::suite::{self, MUST_HAVE, SUITES, Suite};
use crate::tally::{self, Tally};

/// How long the torture run of a whole test takes; longer ones are started by hand.
const TORTURE_MINUTES: &str = "2";

/// A suite that says nothing for so long hangs: the test that does is named by the last lines, and the next suite runs. Long
/// enough for a build from nothing, which is silent here too.
const SILENCE: Duration = Duration::from_secs(15 * 60);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these, without torture
    #[arg(value_name = "SUITE", value_parser = PossibleValuesParser::new(SUITES.iter().map(|suite| suite.name)))]
    suites: Vec<String>,
}

pub(crate) fn run(args: &Args, torture: bool) -> io::Result<bool> {
    if !needs::prepare(needs::NEEDS)? {
        return Ok(false);
    }
    let mut results: Vec<(&str, Tally)> = Vec::new();

    println!("== build");
    if !succeeds(cargo().args(["build", "-p", "warrener"]))? {
        results.push(("build", Tally::of_step(false)));
    }
    for suite in suite::chosen(&args.suites) {
        println!("== {}", suite.name);
        results.push((suite.name, run_suite(suite)?));
    }
    if torture && args.suites.is_empty() {
        println!("== torture");
        let mut command = cargo();
        command.args(["run", "--quiet", "-p", "xtask", "--"]);
        command.args(["torture", "--minutes", TORTURE_MINUTES]);
        results.push(("torture", Tally::of_step(succeeds(&mut command)?)));
    }

    let (text, total) = closing(&results);
    println!("\n{text}");
    Ok(total.failed == 0)
}

fn run_suite(suite: &Suite) -> io::Result<Tally> {
    let mut command = cargo();
    command
        .args(["test", "--no-fail-fast", "-p", suite.package])
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| cannot_start(&command, &error))?;
    let pid = child.id().to_string();
    let seen = match child.stdout.take() {
        Some(stdout) => {
            let watched = Watched::new(stdout, SILENCE, move || {
                eprintln!(
                    "silent for {} minutes: its test program is killed",
                    SILENCE.as_secs() / 60
                );
                // The program that cargo runs; cargo itself goes on with the next one.
                holds(program("pkill").args(["-KILL", "-P", &pid]));
            });
            count(watched, &mut io::stdout().lock())?
        }
        None => Tally::default(),
    };
    let exited_well = child.wait()?.success();
    let (tally, reason) = tally::settle(seen, exited_well, MUST_HAVE.contains(&suite.name));
    if let Some(reason) = reason {
        eprintln!("{}: {reason}", suite.name);
    }
    Ok(tally)
}

/// A source of bytes that is watched: whenever nothing comes out of it for so long, something is done about it.
struct Watched<R> {
    from: R,
    came: mpsc::Sender<()>,
}

impl<R> Watched<R> {
    fn new(from: R, silence: Duration, act: impl Fn() + Send + 'static) -> Self {
        let (came, comes) = mpsc::channel();
        thread::spawn(move || {
            loop {
                match comes.recv_timeout(silence) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => act(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Watched { from, came }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        // The watcher ends when we do, not before.
        self.came.send(()).ok();
        Ok(count)
    }
}

/// Passes every line on as it comes, and adds up the results among them. Bytes, not text: a test
/// may print anything.
pub(crate) fn count(from: impl Read, to: &mut impl Write) -> io::Result<Tally> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    let mut sum = Tally::default();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        if let Some(tally) = Tally::of_line(&String::from_utf8_lossy(&line)) {
            sum += tally;
        }
        line.clear();
    }
    Ok(sum)
}

/// One line per result and one for their sum.
fn closing(results: &[(&str, Tally)]) -> (String, Tally) {
    let mut text = String::new();
    let mut total = Tally::default();
    for (name, tally) in results {
        text += &format!("{name}: {tally}\n");
        total += *tally;
    }
    text += &format!("total: {} passed, {} failed", total.passed, total.failed);
    (text, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_passes_unchanged_while_results_are_summed() {
        let input: &[u8] = b"running 2 tests\n\xff\xfe\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
            test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out\n\
            no newline at the end";
        let mut output = Vec::new();
        let tally = count(input, &mut output).unwrap();
        assert_eq!(
            tally,
            Tally {
                passed: 3,
                failed: 1,
                skipped: 3
            }
        );
        assert_eq!(output, input);
    }

    #[test]
    fn a_program_that_hangs_in_silence_is_ended() {
        let mut shell = program("sh");
        let mut child = shell
            .args(["-c", "echo begun; sleep 600; echo never"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id().to_string();
        let stdout = child.stdout.take().unwrap();
        let watched = Watched::new(stdout, Duration::from_millis(200), move || {
            holds(program("pkill").args(["-KILL", "-P", &pid]));
        });
        let mut output = vec![];
        count(watched, &mut output).unwrap();
        assert_eq!(output, b"begun\nnever\n");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn the_closing_has_a_line_for_each_and_a_total() {
        let (text, total) = closing(&[
            (
                "model",
                Tally {
                    passed: 25,
                    failed: 0,
                    skipped: 0,
                },
            ),
            (
                "api",
                Tally {
                    passed: 3,
                    failed: 1,
                    skipped: 2,
                },
            ),
        ]);
        assert_eq!(
            text,
            "model: 25 passed, 0 failed, 0 skipped\napi: 3 passed, 1 failed, 2 skipped\ntotal: 28 passed, 1 failed"
        );
        assert_eq!(total.failed, 1);
    }
}
