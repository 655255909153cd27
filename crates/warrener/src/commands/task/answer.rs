//! `warrener task answer`.

use crate::args::task::Answer;
use crate::commands::input;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::TASK;
use std::process::ExitCode;
use warrener_api::requests::AnswerRequest;

pub(crate) fn run(args: &Answer, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = AnswerRequest {
        answer: input::json(&args.input)?,
    };
    let task = globals
        .server()?
        .ask(|client| client.answer(args.id, &request))?;
    globals.output.row(&TASK, &task)?;
    Ok(ExitCode::SUCCESS)
}
