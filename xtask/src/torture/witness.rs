//! The witness: one file to which every program of a task appends a line when it starts and one when
//! it ends. Independent of the code under test: no store, no server, no library of theirs.
//!
//! `start TASK ATTEMPT EPOCH PID NANOSECONDS AGENT`, the time being the machine's monotonic clock.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process;

use rustix::time::{ClockId, clock_gettime};

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The program runs.
    Start,
    /// It did its work.
    End,
    /// It ends without success, as it was told to.
    Fail,
    /// Its environment and its task do not say the same.
    Odd,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) what: What,
    pub(crate) task: String,
    pub(crate) attempt: u64,
    pub(crate) epoch: u64,
    pub(crate) pid: u32,
    pub(crate) at: u64,
    pub(crate) agent: String,
}

/// Nanoseconds of the clock that all processes of this machine share and nobody sets.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Appends a line with one write, which no other writer's can cut in two.
pub(crate) fn append(
    file: &Path,
    what: What,
    task: &str,
    attempt: u64,
    epoch: u64,
    agent: &str,
) -> io::Result<()> {
    let word = match what {
        What::Start => "start",
        What::End => "end",
        What::Fail => "fail",
        What::Odd => "odd",
    };
    let (pid, at) = (process::id(), now());
    let line = format!("{word} {task} {attempt} {epoch} {pid} {at} {agent}\n");
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(line.as_bytes())
}

/// All lines, in the order in which they were written.
pub(crate) fn read(file: &Path) -> io::Result<Vec<Line>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let broken = |line: &str| io::Error::other(format!("the witness says: {line}"));
    text.lines()
        .map(|line| parse(line).ok_or_else(|| broken(line)))
        .collect()
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let what = match words.next()? {
        "start" => What::Start,
        "end" => What::End,
        "fail" => What::Fail,
        "odd" => What::Odd,
        _ => return None,
    };
    Some(Line {
        what,
        task: words.next()?.into(),
        attempt: words.next()?.parse().ok()?,
        epoch: words.next()?.parse().ok()?,
        pid: words.next()?.parse().ok()?,
        at: words.next()?.parse().ok()?,
        agent: words.next()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_and_time_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("witness");
        assert_eq!(read(&file).unwrap(), []);
        append(&file, What::Start, "t", 1, 2, "a1").unwrap();
        append(&file, What::End, "t", 1, 2, "a1").unwrap();
        let lines = read(&file).unwrap();
        let kinds: Vec<What> = lines.iter().map(|line| line.what).collect();
        assert_eq!(kinds, [What::Start, What::End]);
        assert_eq!((lines[0].epoch, lines[0].agent.as_str()), (2, "a1"));
        assert!(lines[0].at <= lines[1].at);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error_and_not_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("witness");
        fs::write(&file, "start t 1 2\n").unwrap();
        assert!(read(&file).is_err());
    }
}
