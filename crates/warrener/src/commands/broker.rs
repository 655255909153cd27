//! `warrener broker …`.

use crate::args::broker::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod check;

pub(crate) fn run(verb: &Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Check(args) => check::run(args, globals).map(Into::into),
    }
}
