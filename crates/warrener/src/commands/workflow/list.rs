//! `warrener workflow list`.

use crate::args::workflow::ListArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::RUN;
use std::process::ExitCode;
use warrener_api::Client;
use warrener_api::client::routes::ListQuery;

pub(super) fn run(args: ListArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = ListQuery {
        // The newest first, and nothing else to choose from.
        sort: None,
        ..listing::query(args.filter, &args.page)
    };
    listing::print(globals, &RUN, query, args.page.all, Client::runs)
}
