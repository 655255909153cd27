//! `warrener schedule firings`.

use crate::args::schedule::Firings;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::FIRING;
use std::process::ExitCode;

pub(crate) fn run(args: &Firings, globals: &Globals) -> Result<ExitCode, CliError> {
    let query = listing::query(None, &args.page);
    let name = args.one.name.as_str();
    listing::print(globals, &FIRING, query, args.page.all, |client, query| {
        client.firings(name, query)
    })
}
