//! `warrener workflow cancel`.

use crate::args::workflow::Cancel;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::RUN;
use std::process::ExitCode;
use warrener_api::requests::CancelRequest;

pub(super) fn run(args: Cancel, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = CancelRequest {
        reason: args.reason,
    };
    let server = globals.server()?;
    let run = server.ask(|client| client.cancel_run(args.id, &request))?;
    globals.output.row(&RUN, &run)?;
    Ok(ExitCode::SUCCESS)
}
