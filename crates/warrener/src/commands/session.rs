//! `warrener session …`.

use crate::args::session::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod answer;
mod cancel;
mod get;
mod list;
mod open;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Open(args) => open::run(*args, globals),
        Verb::Get(args) => get::run(&args, globals),
        Verb::List(args) => list::run(&args, globals),
        Verb::Answer(args) => answer::run(*args, globals),
        Verb::Cancel(args) => cancel::run(args, globals),
    }
}
