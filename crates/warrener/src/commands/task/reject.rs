//! `warrener task reject`.

use crate::args::task::Reasoned;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::requests::RejectRequest;

pub(crate) fn run(args: Reasoned, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = RejectRequest {
        reason: args.reason,
    };
    let task = globals
        .server()?
        .ask(|client| client.reject(args.id, &request))?;
    globals.output.row(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
