//! `warrener spec …`: the documents of the contracts.

use crate::error::CliError;
use crate::globals::Globals;
use crate::output::serialised;
use std::process::ExitCode;

/// The server's document, or the one built in.
pub(crate) fn openapi(globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let document = match server.ask(warrener_api::Client::openapi) {
        Ok(document) => document,
        Err(error) => crate::spec::openapi().ok_or(error)?,
    };
    globals.output.json(&serialised(&document)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The one built in: nobody serves it. Its names are those of the configured namespace.
pub(crate) fn asyncapi(globals: &Globals) -> Result<ExitCode, CliError> {
    let document = warrener_rabbitmq::asyncapi(&globals.config.namespace);
    globals.output.json(&serialised(&document)?)?;
    Ok(ExitCode::SUCCESS)
}
