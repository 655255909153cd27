//! `run FILE`: a workflow to its end, on the server there is; where none runs, on one of its own with the team of
//! `warrener.toml`.

use super::server::{internal, runtime};
use super::workflow::run::{request, to_the_end};
use crate::args::workflow::{Start, ToTheEnd};
use crate::connect::{self, Server};
use crate::error::CliError;
use crate::globals::Globals;
use crate::tree::{self, Tree};
use crate::{config, logging, shutdown};
use std::process::ExitCode;
use tokio::sync::oneshot;
use warrener_api::run::RunRequest;

pub(crate) fn run(args: ToTheEnd, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = request(&args.start, globals)?;
    if connect::is_there(&globals.config)? {
        return to_the_end(&request, &args.start, globals, &globals.server()?);
    }
    if globals.config.agents.is_empty() {
        let detail =
            "no server runs here, and the configuration names no agents that would do the work";
        let hint = "start `warrener server run` and agents, or put [[agent]] into warrener.toml (docs/tutorial.md)";
        return Err(CliError::new("usage", detail).hint(hint));
    }
    logging::start(globals.verbose, globals.verbose == 0);
    tree::confirm(globals, args.trust)?;
    runtime()?.block_on(alone(request, args.start, globals))
}

/// Server, team and run; whatever comes of the run, the others are ended in order.
async fn alone(request: RunRequest, start: Start, globals: &Globals) -> Result<ExitCode, CliError> {
    let stop = shutdown::on_signal().map_err(internal)?;
    // Its own address: who listens on the usual one is somebody else.
    let change = |setup: &mut crate::compose::ServerSetup| {
        setup.server = config::Server {
            listen: "127.0.0.1:0".parse().expect("an address"),
            url: None,
            behind_proxy: false,
            tls: None,
        };
    };
    let mut tree = Tree::start(globals, change, globals.verbose == 0).await?;
    let result = match globals.find_server() {
        Err(problem) => Err(problem),
        Ok(server) => {
            let folder = tree.folder.display().to_string();
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(interrupted(&folder)),
                problem = tree.server.failed() => Err(problem.into()),
                result = followed(request, start, globals.clone(), server) => result,
            }
        }
    };
    tree.end().await?;
    result
}

/// On a thread of its own: the client blocks, and what is interrupted is not waited for.
async fn followed(
    request: RunRequest,
    start: Start,
    globals: Globals,
    server: Server,
) -> Result<ExitCode, CliError> {
    let (done, result) = oneshot::channel();
    let follow = move || {
        // Whoever waited may be gone.
        let _ = done.send(to_the_end(&request, &start, &globals, &server));
    };
    let thread = std::thread::Builder::new().name("run".into());
    thread.spawn(follow).map_err(internal)?;
    result.await.map_err(internal)?
}

fn interrupted(folder: &str) -> CliError {
    let detail = format!("interrupted; what was accepted is in {folder}");
    CliError::new("interrupted", detail).hint("`warrener up` goes on with it")
}
