//! `warrener workflow retry-failed`.

use crate::args::workflow::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::RUN;
use std::process::ExitCode;

pub(super) fn run(one: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let run = server.ask(|client| client.retry_failed(one.id))?;
    globals.output.row(&RUN, &run)?;
    Ok(ExitCode::SUCCESS)
}
