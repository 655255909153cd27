//! `warrener workflow …`.

use super::input;
use crate::args::GlobalArgs;
use crate::args::workflow::Verb;
use crate::error::CliError;
use std::process::ExitCode;
use warrener_model::Mistake;
use warrener_workflow::Workflow;

mod graph;
mod schema;
mod validate;

pub(crate) fn run(verb: &Verb, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Validate(files) => validate::run(files, args),
        Verb::Graph(file) => graph::run(file, args),
        Verb::Schema => schema::run(args),
    }
}

/// Reads a file; its mistakes with `FILE:line:column`.
fn read(file: &str) -> Result<Result<Workflow, Vec<Mistake>>, CliError> {
    let text = input::text(file)?;
    let name = if file == "-" { "stdin" } else { file };
    Ok(warrener_workflow::read(&text).map_err(|mistakes| {
        let told = mistakes.into_iter().map(|mistake| Mistake {
            pointer: format!("{name}:{}", mistake.place),
            message: mistake.message,
        });
        told.collect()
    }))
}

fn invalid(mistakes: Vec<Mistake>) -> CliError {
    let count = mistakes.len();
    let detail = match count {
        1 => "there is one mistake".to_owned(),
        _ => format!("there are {count} mistakes"),
    };
    CliError::new("workflow_invalid", detail).mistakes(mistakes)
}
