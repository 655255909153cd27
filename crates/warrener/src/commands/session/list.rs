//! `warrener session list`.

use crate::args::session::List;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SESSION;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: &List, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = listing::query(args.filter.clone(), &args.page);
    listing::print(globals, &SESSION, query, args.page.all, Client::sessions)
}
