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
        agent = until(&server, agent, globals, |agent| agent.busy == 0)?;
    }
    globals.output.row(&AGENT, &agent)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until an agent is as it should be, or is gone.
pub(super) fn until(
    server: &Server,
    mut agent: AgentObject,
    globals: &Globals,
    done: impl Fn(&AgentObject) -> bool,
) -> Result<AgentObject, CliError> {
    let limit = globals.until();
    while !done(&agent) && !matches!(agent.presence.as_ref(), "left" | "lost") {
        if limit.is_some_and(|limit| Instant::now() >= limit) {
            let detail = format!(
                "agent {} is still {} and runs {} tasks",
                agent.id, agent.presence, agent.busy
            );
            return Err(CliError::new("wait_timeout", detail));
        }
        std::thread::sleep(LOOK);
        agent = server.ask(|client| client.agent(&agent.id))?;
    }
    Ok(agent)
}
