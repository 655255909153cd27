//! `warrener agent …`.

use crate::args::agent::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod drain;
mod get;
mod list;
mod resume;
mod run;
mod stop;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Run(args) => run::run(&args, globals).map(|()| ExitCode::SUCCESS),
        Verb::List(args) => list::run(&args, globals),
        Verb::Get(args) => get::run(&args, globals),
        Verb::Drain(args) => drain::run(args, globals),
        Verb::Resume(args) => resume::run(args, globals),
        Verb::Stop(args) => stop::run(args, globals),
    }
}
