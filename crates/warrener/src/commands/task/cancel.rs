//! `warrener task cancel`.

use crate::args::task::Reasoned;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::requests::CancelRequest;

pub(crate) fn run(args: Reasoned, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = CancelRequest {
        reason: args.reason,
    };
    let task = globals
        .server()?
        .ask(|client| client.cancel(args.id, &request))?;
    if task.stopping == Some(true) {
        globals.output.note("cancelled; its run is being stopped");
    }
    globals.output.row(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
