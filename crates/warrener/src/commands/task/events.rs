//! `warrener task events`: the whole history, oldest first.

use crate::args::task::One;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::EVENT;
use std::process::ExitCode;
use warrener_api::client::routes::ListQuery;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = ListQuery::default();
    listing::print(globals, &EVENT, query, true, |client, query| {
        client.events(args.id, query)
    })
}
