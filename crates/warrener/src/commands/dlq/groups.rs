//! `warrener dlq groups`.

use crate::args::dlq::Groups;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::GROUP;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: Groups, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = listing::query(args.filter, &args.page);
    listing::print(globals, &GROUP, query, args.page.all, Client::dead_groups)
}
