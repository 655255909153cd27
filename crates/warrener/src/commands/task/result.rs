//! `warrener task result`: the output of a task that succeeded, and nothing else; or why there is none.

use crate::args::task::ResultArgs;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::output::{pick, serialised};
use std::process::ExitCode;
use warrener_api::TaskObject;

pub(crate) fn run(args: &ResultArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let task = if args.wait {
        let task = server.ask(|client| client.wait_one(args.id, globals.until()))?;
        super::wait::in_time(&task)?;
        task
    } else {
        server.ask(|client| client.task(args.id, None))?
    };
    if task.state != "succeeded" {
        return Err(none(&task));
    }
    let text = serialised(&task)?;
    let output = pick(&text, "output").unwrap_or_else(|| "null".into());
    globals.output.json(&output)?;
    Ok(ExitCode::SUCCESS)
}

fn none(task: &TaskObject) -> CliError {
    let id = task.id;
    if !task.is_final {
        let detail = format!("task {id} has no result yet: it is {}", task.state);
        return CliError::new("illegal_state", detail).hint(format!(
            "wait for it with `warrener task result {id} --wait`"
        ));
    }
    let why = task.error.as_ref().map_or(String::new(), |error| {
        format!(" ({}: {})", error.class, error.message)
    });
    let detail = format!("task {id} has no result: it is {}{why}", task.state);
    CliError::new("illegal_state", detail)
        .hint(format!(
            "try again with `warrener task retry {id}`; `warrener task logs {id}` has its log"
        ))
        .exit(match Exit::of_state(&task.state) {
            Exit::Ok => Exit::Failed,
            exit => exit,
        })
}
