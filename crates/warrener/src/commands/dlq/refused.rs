//! `warrener dlq refused`.

use crate::args::task::PageArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::REFUSED;
use std::process::ExitCode;
use warrener_api::Client;
use warrener_api::client::routes::ListQuery;

pub(crate) fn run(args: PageArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let mut wanted = globals.output.fields.iter().flatten();
    let body = wanted.find(|field| *field == "body");
    let query = ListQuery {
        fields: body.cloned(),
        ..listing::query(None, &args)
    };
    listing::print(globals, &REFUSED, query, args.all, Client::refused)
}
