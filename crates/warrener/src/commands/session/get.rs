//! `warrener session get`; with `--wait` once it has ended.

use crate::args::session::Get;
use crate::connect::Server;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::view::SESSION;
use std::process::ExitCode;
use warrener_model::SessionId;

pub(crate) fn run(args: &Get, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&SESSION)?;
    let server = globals.server()?;
    if args.wait {
        return wait(&server, args.id, globals);
    }
    let session = server.ask(|client| client.session(args.id, None))?;
    globals.output.object(&SESSION, &session)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end and shows it.
pub(super) fn wait(
    server: &Server,
    id: SessionId,
    globals: &Globals,
) -> Result<ExitCode, CliError> {
    let session = server.ask(|client| client.wait_session(id, globals.until()))?;
    let exit = match session.state.as_ref() {
        "open" => {
            let detail = format!("session {id} is still open");
            return Err(CliError::new("wait_timeout", detail));
        }
        "no_decision" => Exit::TaskFailed,
        "cancelled" => Exit::TaskCancelled,
        _ => Exit::Ok,
    };
    globals.output.object(&SESSION, &session)?;
    if let Some(reason) = &session.reason {
        globals.output.note(&format!("{}: {reason}", session.state));
    }
    Ok(exit.into())
}
