//! `up`: a server and the team of `warrener.toml` in one process tree.

use super::server::{internal, runtime};
use crate::args::server::Up;
use crate::error::CliError;
use crate::globals::Globals;
use crate::tree::{self, Tree};
use crate::{logging, shutdown};
use std::io::IsTerminal;

pub(crate) fn run(args: &Up, globals: &Globals) -> Result<(), CliError> {
    logging::start(globals.verbose, globals.output.quiet);
    tree::confirm(globals, args.server.trust)?;
    runtime()?.block_on(work(globals))
}

async fn work(globals: &Globals) -> Result<(), CliError> {
    let stop = shutdown::on_signal().map_err(internal)?;
    let mut tree = Tree::start(globals, |_| {}, false).await?;
    let said = banner(globals, &tree);
    let failure = match said {
        Err(problem) => Some(problem),
        Ok(()) => tokio::select! {
            () = stop.cancelled() => None,
            problem = tree.server.failed() => Some(problem.into()),
        },
    };
    tree.end().await?;
    failure.map_or(Ok(()), Err)
}

fn banner(globals: &Globals, tree: &Tree) -> Result<(), CliError> {
    let output = &globals.output;
    let agents = globals.config.agents.len();
    output.line(&format!(
        "Warrener is up at {} with {agents} agent(s); data in {}",
        tree.server.url,
        tree.folder.display()
    ))?;
    // What is no terminal may be kept as a log and read by others, so there is no code in it.
    if !std::io::stdout().is_terminal() {
        output.line("For an address that lets a browser in:")?;
        output.line("  warrener server login")?;
    } else if let Some(address) = tree.server.login() {
        output.line("For a browser, once, within ten minutes:")?;
        output.line(&format!("  {address}"))?;
    }
    output.line("Try:")?;
    output.line("  warrener task submit --kind hello --input '{\"name\":\"you\"}'")?;
    output.line("  warrener task list")?;
    output.line("  warrener agent list")
}
