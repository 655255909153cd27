//! `warrener spec openapi`: the server's document, or the one built in.

use crate::error::CliError;
use crate::globals::Globals;
use crate::output::serialised;
use std::process::ExitCode;

pub(crate) fn run(globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let document = match server.ask(warrener_api::Client::openapi) {
        Ok(document) => document,
        Err(error) => crate::spec::openapi().ok_or(error)?,
    };
    globals.output.json(&serialised(&document)?)?;
    Ok(ExitCode::SUCCESS)
}
