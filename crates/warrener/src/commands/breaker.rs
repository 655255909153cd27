//! `warrener breaker …`.

use crate::args::breaker::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod list;
mod reset;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::List(args) => list::run(&args, globals),
        Verb::Reset(args) => reset::run(args, globals),
    }
}
