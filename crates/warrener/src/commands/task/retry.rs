//! `warrener task retry`.

use crate::args::task::Retry;
use crate::commands::input;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::requests::RetryRequest;

pub(crate) fn run(args: &Retry, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = RetryRequest {
        input: args.input.as_ref().map(input::json).transpose()?,
        reset_attempts: args.reset_attempts,
    };
    let task = globals
        .server()?
        .ask(|client| client.retry(args.id, &request))?;
    globals.output.row(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
