//! `cargo xtask`: the workspace's own commands, the same by hand and in CI.
//!
//! One file per command (`test`, `lint`, `matrix`, `torture`, `bench`); what they share stands in `cargo`, `machine`,
//! `needs`, `suite` and `tally`. A command answers whether all went well; the exit code is 0 for yes and 1 for no.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to the person who called it"
)]

mod bench;
mod cargo;
mod lint;
mod machine;
mod matrix;
mod needs;
mod suite;
mod tally;
mod test;
mod torture;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workspace's own commands", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prepare what tests need, build, and run every suite
    Test(test::Args),
    /// Check format, clippy and the dependencies
    Lint(lint::Args),
    /// Run the tests that need a RabbitMQ on each version there is, and write down what came out
    Matrix(matrix::Args),
    /// Kill and stop agents and servers under load, and see whether anything is lost
    Torture(torture::Args),
    /// Measure Warrener on RabbitMQ beside a raw client
    Bench(bench::Args),
    /// The program that tortured agents run
    #[command(hide = true)]
    TortureStep(torture::step::Args),
    /// Becomes another program, and dies with its parent
    #[command(hide = true)]
    TortureChild(torture::child::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<bool> {
    match command {
        Command::Test(args) => test::run(&args, has_command("torture")),
        Command::Lint(args) => lint::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Torture(args) => torture::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::TortureStep(args) => torture::step::run(&args),
        Command::TortureChild(args) => torture::child::become_it(&args),
    }
}

/// Whether this build of xtask knows a command of that name.
fn has_command(name: &str) -> bool {
    Cli::command().find_subcommand(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_is_known_by_its_name_only() {
        assert!(has_command("lint"));
        assert!(!has_command("no-such-command"));
    }

    #[test]
    fn a_suite_that_does_not_exist_is_refused() {
        assert!(Cli::try_parse_from(["xtask", "test", "model", "api"]).is_ok());
        assert!(Cli::try_parse_from(["xtask", "test", "modle"]).is_err());
    }
}
