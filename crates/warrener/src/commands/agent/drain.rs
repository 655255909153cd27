//! `warrener agent drain`; with `--wait` until the agent runs nothing any more.

use crate::args::agent::Drain;
use crate::connect::Server;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::AGENT;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use warrener_api::agent::AgentObject;
use warrener_api::client::routes::AgentAct;
use warrener_api::requests::AgentRequest;

/// How often an agent is looked at while waiting.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) fn run(args: Drain, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = AgentRequest {
        reason: args.reason,
        deadline_ms: None,
    };
    let server = globals.server()?;
    let id = args.id.as_str();
    let mut agent = server.ask(|client| client.agent_act(id, AgentAct::Drain, &request))?;
    if args.wait {
        agent = until_idle(&server, agent, globals)?;
    }
    globals.output.row(&AGENT, &agent)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until an agent runs nothing, or is gone.
pub(super) fn until_idle(
    server: &Server,
    mut agent: AgentObject,
    globals: &Globals,
) -> Result<AgentObject, CliError> {
    let until = globals.until();
    while agent.busy > 0 && !matches!(agent.presence.as_ref(), "left" | "lost") {
        if until.is_some_and(|until| Instant::now() >= until) {
            let detail = format!("agent {} still runs {} tasks", agent.id, agent.busy);
            return Err(CliError::new("wait_timeout", detail));
        }
        std::thread::sleep(LOOK);
        agent = server.ask(|client| client.agent(&agent.id))?;
    }
    Ok(agent)
}
