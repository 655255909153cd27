//! `warrener task get`.

use crate::args::task::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let task = globals.server()?.ask(|client| client.task(args.id, None))?;
    globals.output.object(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
