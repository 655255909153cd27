//! `warrener breaker reset`.

use crate::args::breaker::Reset;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::BREAKER;
use std::process::ExitCode;
use warrener_api::requests::ResetRequest;

pub(crate) fn run(args: Reset, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = ResetRequest {
        reason: args.reason,
    };
    let breaker = globals
        .server()?
        .ask(|client| client.reset_breaker(args.kind.as_str(), &request))?;
    globals.output.row(&BREAKER, &breaker)?;
    Ok(ExitCode::SUCCESS)
}
