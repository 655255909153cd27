//! `warrener agent get`.

use crate::args::agent::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::AGENT;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let agent = globals
        .server()?
        .ask(|client| client.agent(args.id.as_str()))?;
    globals.output.object(&AGENT, &agent)?;
    Ok(ExitCode::SUCCESS)
}
