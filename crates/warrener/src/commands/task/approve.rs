//! `warrener task approve`.

use crate::args::task::Reasoned;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::requests::ApproveRequest;

pub(crate) fn run(args: Reasoned, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = ApproveRequest {
        reason: args.reason,
    };
    let task = globals
        .server()?
        .ask(|client| client.approve(args.id, &request))?;
    globals.output.row(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
