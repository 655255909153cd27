//! `warrener schedule delete`.

use crate::args::schedule::One;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.confirm(&format!("delete schedule {} with its history?", args.name))?;
    super::act(args, globals, Client::delete_schedule)
}
