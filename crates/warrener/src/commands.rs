//! From the parsed command line to the file of the verb.

use crate::args::{Command, ConfigVerb, GlobalArgs, SpecVerb};
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod agent;
mod completions;
mod config;
mod dlq;
mod input;
mod lane;
mod listing;
mod spec;
mod task;

/// Runs a command.
///
/// # Errors
/// What it says.
pub(crate) fn run(command: Command, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    // These two need no configuration, so a broken one does not stop them.
    match command {
        Command::Completions { shell } => return completions::run(shell, args),
        Command::Config(ConfigVerb::Schema) => return config::schema::run(args),
        _ => {}
    }
    let globals = &Globals::new(args, vec![])?;
    match command {
        Command::Task(verb) => task::run(verb, globals),
        Command::Dlq(verb) => dlq::run(verb, globals),
        Command::Lane(verb) => lane::run(verb, globals),
        Command::Agent(verb) => agent::run(verb, globals),
        Command::Config(ConfigVerb::Show { origin }) => config::show::run(origin, globals),
        Command::Spec(SpecVerb::Openapi) => spec::run(globals),
        Command::Config(ConfigVerb::Schema) | Command::Completions { .. } => {
            unreachable!("handled above")
        }
    }
}
