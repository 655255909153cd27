//! `warrener task reassign`.

use crate::args::task::Reassign;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::requests::ReassignRequest;

pub(crate) fn run(args: &Reassign, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = ReassignRequest {
        agent: args.agent.to_string(),
    };
    let task = globals
        .server()?
        .ask(|client| client.reassign(args.id, &request))?;
    globals.output.row(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
