//! `warrener task submit`: one task, or a batch.

use super::wait;
use crate::args::task::Submit;
use crate::args::values::When;
use crate::commands::input;
use crate::connect::Server;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::output::Form;
use crate::view::{BATCH, TASK};
use std::process::ExitCode;
use std::time::Duration;
use warrener_api::{SubmitRequest, TaskObject};
use warrener_model::TaskId;

pub(crate) fn run(args: Submit, globals: &Globals) -> Result<ExitCode, CliError> {
    let output = &globals.output;
    if let Some(file) = &args.batch {
        output.check_fields(&BATCH)?;
        return batch(file, args.wait, globals);
    }
    output.check_fields(&TASK)?;
    let (key, wait) = (args.idempotency_key.clone(), args.wait);
    let request = request(args)?;
    let server = globals.server()?;
    let submitted = server.ask(|client| client.submit(&request, key.as_deref()))?;
    if submitted.duplicate {
        output.note("the same request was accepted before under this key");
    }
    if !wait {
        show(&submitted.task, globals)?;
        return Ok(ExitCode::SUCCESS);
    }
    let task = wait_for(&server, &submitted.task, globals)?;
    Ok(Exit::of_state(&task.state).into())
}

/// Prints the id, or with `-o json` the task.
fn show(task: &TaskObject, globals: &Globals) -> Result<(), CliError> {
    let output = &globals.output;
    match (output.form, &output.fields) {
        (Form::Table, None) => output.line(&task.id.to_string()),
        _ => output.object(&TASK, task),
    }
}

fn wait_for(server: &Server, task: &TaskObject, globals: &Globals) -> Result<TaskObject, CliError> {
    let id = task.id;
    globals
        .output
        .note(&format!("accepted {id}; waiting for its end"));
    let task = server.ask(|client| client.wait_one(id, globals.until()))?;
    wait::in_time(&task)?;
    show(&task, globals)?;
    let why = task.error.as_ref().filter(|_| task.state != "succeeded");
    let why = why.map_or(String::new(), |error| {
        format!(
            " ({}: {})",
            error.class,
            crate::report::plain(&error.message)
        )
    });
    globals.output.note(&format!("{}{why}", task.state));
    Ok(task)
}

fn batch(file: &str, wait: bool, globals: &Globals) -> Result<ExitCode, CliError> {
    let lines = input::text(file)?;
    if lines.trim().is_empty() {
        let detail = format!(
            "{} holds no requests",
            if file == "-" { "stdin" } else { file }
        );
        return Err(CliError::new("usage", detail).hint("write one JSON object a line"));
    }
    let server = globals.server()?;
    let answer = server.ask(|client| client.submit_batch(lines.into_bytes()))?;
    let known = answer.items.iter().filter(|item| item.duplicate).count();
    if known > 0 {
        globals.output.note(&format!(
            "{known} of them were accepted before under their keys"
        ));
    }
    if wait {
        let ids: Vec<TaskId> = answer.items.iter().map(|item| item.id).collect();
        globals
            .output
            .note(&format!("accepted {}; waiting for their ends", ids.len()));
        return wait::all(&server, &ids, false, globals).map(Into::into);
    }
    let plain = globals.output.form == Form::Table && globals.output.fields.is_none();
    if plain {
        let ids = answer.items.iter().map(|item| format!("{}\n", item.id));
        globals.output.write(&ids.collect::<String>())?;
    } else {
        globals.output.list(&BATCH, &answer.items, None)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn request(args: Submit) -> Result<SubmitRequest, CliError> {
    let (deadline, deadline_ms) = match args.deadline {
        None => (None, None),
        Some(When::At(at)) => (Some(at), None),
        Some(When::In(span)) => (None, Some(millis(span))),
    };
    Ok(SubmitRequest {
        kind: args.kind.map(|kind| kind.to_string()).unwrap_or_default(),
        lane: args.lane.map(|lane| lane.to_string()),
        title: args.title,
        description: args.description,
        input: args.input.as_ref().map(input::json).transpose()?,
        collaboration: args.collaboration.as_ref().map(input::json).transpose()?,
        priority: args.priority,
        delay_ms: args.delay.map(millis),
        deadline,
        deadline_ms,
        timeout_ms: args.timeout.map(millis),
        max_attempts: args.max_attempts,
        labels: args.labels.into_iter().collect(),
        ..SubmitRequest::default()
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
