//! `warrener task list`.

use crate::args::task::ListArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::Client;
use warrener_api::client::routes::ListQuery;

pub(crate) fn run(args: ListArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = ListQuery {
        fields: listing::bodies(globals),
        sort: args.sort,
        ..listing::query(args.filter, &args.page)
    };
    listing::print(globals, &TASK, query, args.page.all, Client::tasks)
}
