//! `warrener workflow …`.

use crate::args::GlobalArgs;
use crate::args::workflow::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;
use warrener_model::Mistake;
use warrener_workflow::Workflow;

mod cancel;
mod get;
mod graph;
mod list;
mod progress;
mod retry_failed;
pub(super) mod run;
mod schema;
mod template;
mod validate;

/// No server is asked, and no configuration needed.
pub(crate) fn is_offline(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Validate(_) | Verb::Graph(_) | Verb::Template(_) | Verb::Schema
    )
}

/// The verbs that [`is_offline`] names.
pub(crate) fn offline(verb: &Verb, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Validate(files) => validate::run(files, args),
        Verb::Graph(file) => graph::run(file, args),
        Verb::Template(name) => template::run(name, args),
        _ => schema::run(args),
    }
}

/// All others.
pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Run(args) => run::run(args, globals),
        Verb::List(args) => list::run(args, globals),
        Verb::Get(one) => get::run(&one, globals),
        Verb::Cancel(args) => cancel::run(args, globals),
        Verb::RetryFailed(one) => retry_failed::run(&one, globals),
        Verb::Validate(_) | Verb::Graph(_) | Verb::Template(_) | Verb::Schema => {
            unreachable!("these are offline")
        }
    }
}

/// The text of a file that has no mistake. It is read once: stdin cannot be read again.
pub(crate) fn text(file: &str) -> Result<String, CliError> {
    let text = super::input::text(file)?;
    read(file, &text).map_err(invalid)?;
    Ok(text)
}

/// Reads the text of a file; its mistakes with `FILE:line:column`.
fn read(file: &str, text: &str) -> Result<Workflow, Vec<Mistake>> {
    let name = if file == "-" { "stdin" } else { file };
    warrener_workflow::read(text).map_err(|mistakes| {
        let told = mistakes.into_iter().map(|mistake| Mistake {
            pointer: format!("{name}:{}", mistake.place),
            message: mistake.message,
        });
        told.collect()
    })
}

fn invalid(mistakes: Vec<Mistake>) -> CliError {
    let count = mistakes.len();
    let detail = match count {
        1 => "there is one mistake".to_owned(),
        _ => format!("there are {count} mistakes"),
    };
    CliError::new("workflow_invalid", detail).mistakes(mistakes)
}
