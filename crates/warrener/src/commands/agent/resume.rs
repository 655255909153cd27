//! `warrener agent resume`.

use crate::args::agent::Reasoned;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::AGENT;
use std::process::ExitCode;
use warrener_api::client::routes::AgentAct;
use warrener_api::requests::AgentRequest;

pub(crate) fn run(args: Reasoned, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = AgentRequest {
        reason: args.reason,
        deadline_ms: None,
    };
    let id = args.id.as_str();
    let agent = globals
        .server()?
        .ask(|client| client.agent_act(id, AgentAct::Resume, &request))?;
    globals.output.row(&AGENT, &agent)?;
    Ok(ExitCode::SUCCESS)
}
