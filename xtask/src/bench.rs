//! `cargo xtask bench`: Warrener on RabbitMQ beside a raw client, in one run on this machine. What is measured and how is
//! in the program it starts (`crates/rabbitmq/examples/side_by_side`); here only the conditions are written above it.

use std::io;

use crate::cargo::{cargo, succeeds};
use crate::machine::{commit, cores, kernel, load, processor, rust};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tasks that are worked on at once, each time
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,
    /// Turns that each way gets
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
}

impl Args {
    /// What cargo is asked, in words: built first, so that a compiler does not run beside the measuring.
    fn command(&self, verb: &str) -> Vec<String> {
        let program = [
            "--release",
            "-p",
            "warrener-rabbitmq",
            "--example",
            "side_by_side",
        ];
        let mut words = vec![verb.to_owned()];
        words.extend(program.map(str::to_owned));
        if verb == "run" {
            let numbers = [self.tasks, self.repetitions].map(|number| number.to_string());
            words.extend(["--quiet".to_owned(), "--".to_owned()]);
            words.extend(numbers);
        }
        words
    }
}

pub(crate) fn run(args: &Args) -> io::Result<bool> {
    if !succeeds(cargo().args(args.command("build")))? {
        return Ok(false);
    }
    println!(
        "{} cores, {}; {}; load before {}; commit {}; {}",
        cores(),
        processor(),
        kernel(),
        load(),
        commit(),
        rust()
    );
    succeeds(cargo().args(args.command("run")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_what_runs_and_only_that_gets_the_numbers() {
        let args = Args {
            tasks: 7,
            repetitions: 3,
        };
        let (build, run) = (args.command("build"), args.command("run"));
        assert_eq!(build[1..], run[1..build.len()]);
        assert_eq!(run[build.len()..], ["--quiet", "--", "7", "3"]);
    }
}
