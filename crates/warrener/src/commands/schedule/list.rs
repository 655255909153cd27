//! `warrener schedule list`.

use crate::args::task::PageArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SCHEDULE;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: &PageArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = listing::query(None, args);
    listing::print(globals, &SCHEDULE, query, args.all, Client::schedules)
}
