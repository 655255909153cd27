//! `warrener session cancel`.

use crate::args::session::Cancel;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SESSION;
use std::process::ExitCode;
use warrener_api::requests::CancelRequest;

pub(crate) fn run(args: Cancel, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = CancelRequest {
        reason: args.reason,
    };
    let server = globals.server()?;
    let session = server.ask(|client| client.cancel_session(args.id, &request))?;
    globals.output.row(&SESSION, &session)?;
    Ok(ExitCode::SUCCESS)
}
