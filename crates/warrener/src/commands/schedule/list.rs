//! `warrener schedule list`.

use crate::args::task::NamedArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SCHEDULE;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: &NamedArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = listing::query(args.filter.clone(), &args.page);
    listing::print(globals, &SCHEDULE, query, args.page.all, Client::schedules)
}
