//! `warrener lane …`.

use crate::args::lane::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod get;
mod list;
mod pause;
mod resume;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::List(args) => list::run(&args, globals),
        Verb::Get(args) => get::run(&args, globals),
        Verb::Pause(args) => pause::run(args, globals),
        Verb::Resume(args) => resume::run(args, globals),
    }
}
