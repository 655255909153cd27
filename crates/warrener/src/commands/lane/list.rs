//! `warrener lane list`.

use crate::args::task::NamedArgs;
use crate::commands::listing;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::LANE;
use std::process::ExitCode;
use warrener_api::Client;

pub(crate) fn run(args: &NamedArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    listing::print(
        globals,
        &LANE,
        listing::query(args.filter.clone(), &args.page),
        args.page.all,
        Client::lanes,
    )
}
