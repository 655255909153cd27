//! `warrener dlq list`.

use super::dead;
use crate::args::task::ListArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::DEAD;
use std::process::ExitCode;
use warrener_api::Client;
use warrener_api::client::routes::ListQuery;

pub(crate) fn run(args: ListArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let filter = dead(args.filter.as_deref());
    let query = ListQuery {
        fields: listing::bodies(globals),
        sort: args.sort,
        ..listing::query(Some(filter), &args.page)
    };
    listing::print(globals, &DEAD, query, args.page.all, Client::tasks)
}
