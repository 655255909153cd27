//! `warrener agent stop`; with `--wait` until the agent has left.

use super::drain::until;
use crate::args::agent::Stop;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::AGENT;
use std::process::ExitCode;
use warrener_api::client::routes::AgentAct;
use warrener_api::requests::AgentRequest;

pub(crate) fn run(args: Stop, globals: &Globals) -> Result<ExitCode, CliError> {
    let deadline = args
        .deadline
        .map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let request = AgentRequest {
        reason: args.reason,
        deadline_ms: deadline,
    };
    let server = globals.server()?;
    let id = args.id.as_str();
    let mut agent = server.ask(|client| client.agent_act(id, AgentAct::Stop, &request))?;
    if args.wait {
        agent = until(&server, agent, globals, |_| false)?;
    }
    globals.output.row(&AGENT, &agent)?;
    Ok(ExitCode::SUCCESS)
}
