//! `warrener task wait`: prints each task as it ends; the exit code is that of the worst end.

use crate::args::task::Wait;
use crate::commands::input;
use crate::connect::Server;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::view::ENDED;
use std::process::ExitCode;
use warrener_api::TaskObject;
use warrener_api::client::patience::Waited;
use warrener_model::TaskId;

pub(crate) fn run(args: &Wait, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&ENDED)?;
    let ids = ids(&args.ids)?;
    let server = globals.server()?;
    all(&server, &ids, args.any, globals).map(Into::into)
}

/// Waits for these, and prints each as it ends.
pub(super) fn all(
    server: &Server,
    ids: &[TaskId],
    any: bool,
    globals: &Globals,
) -> Result<Exit, CliError> {
    let mut listing = globals.output.listing(&ENDED)?;
    let mut worst = Exit::Ok;
    let mut printed = Ok(());
    let waited = server.ask(|client| {
        client.wait_all(ids, any, globals.until(), |task| {
            worst = worst.worse(Exit::of_state(&task.state));
            if printed.is_ok() {
                printed = listing.push(std::slice::from_ref(task));
            }
        })
    })?;
    printed?;
    if waited == Waited::TimeOver {
        return Err(time_over("not all tasks have ended in time"));
    }
    listing.finish(None)?;
    Ok(worst)
}

/// Whether a task that was waited for has ended.
pub(super) fn in_time(task: &TaskObject) -> Result<(), CliError> {
    if task.is_final {
        return Ok(());
    }
    Err(time_over(&format!(
        "task {} is still {}",
        task.id, task.state
    )))
}

fn time_over(detail: &str) -> CliError {
    CliError::new("wait_timeout", detail)
}

/// Ids as given; for `-` the first word of each line of stdin.
fn ids(args: &[String]) -> Result<Vec<TaskId>, CliError> {
    let mut ids = vec![];
    for arg in args {
        if arg == "-" {
            let text = input::text("-")?;
            let words = text
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            ids.extend(words.map(id).collect::<Result<Vec<_>, _>>()?);
        } else {
            ids.push(id(arg)?);
        }
    }
    if ids.is_empty() {
        return Err(CliError::new("usage", "there are no ids to wait for"));
    }
    Ok(ids)
}

fn id(text: &str) -> Result<TaskId, CliError> {
    text.parse()
        .map_err(|e: warrener_model::id::IdError| CliError::new("usage", e.to_string()))
}
