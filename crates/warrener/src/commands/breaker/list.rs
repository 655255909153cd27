//! `warrener breaker list`.

use crate::args::task::PageArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::BREAKER;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: &PageArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    listing::print(
        globals,
        &BREAKER,
        listing::query(None, args),
        args.all,
        Client::breakers,
    )
}
