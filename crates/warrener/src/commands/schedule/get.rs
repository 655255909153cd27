//! `warrener schedule get`.

use crate::args::schedule::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SCHEDULE;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let schedule = server.ask(|client| client.schedule(args.name.as_str()))?;
    globals.output.object(&SCHEDULE, &schedule)?;
    Ok(ExitCode::SUCCESS)
}
