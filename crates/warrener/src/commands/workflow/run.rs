//! `warrener workflow run`, and `run` on a server that there is: a file, checked here, started there, followed if asked.

use super::progress::Progress;
use super::text;
use crate::args::workflow::{Run, Start};
use crate::commands::input;
use crate::connect::Server;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::output::Form;
use crate::view::RUN;
use serde_json::{Map, Value};
use std::process::ExitCode;
use warrener_api::run::{RunObject, RunRequest};

pub(super) fn run(args: Run, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = request(&args.start, globals)?;
    let server = globals.server()?;
    let run = start(&request, &args.start, globals, &server)?;
    let run = match args.wait {
        true => follow(run, globals, &server)?,
        false => run,
    };
    show(&run, globals)?;
    Ok(match args.wait {
        true => end(&run, globals),
        false => ExitCode::SUCCESS,
    })
}

/// What is asked for, checked as far as that can be done here.
pub(crate) fn request(start: &Start, globals: &Globals) -> Result<RunRequest, CliError> {
    globals.output.check_fields(&RUN)?;
    Ok(RunRequest {
        workflow: text(&start.file)?,
        inputs: inputs(start)?,
    })
}

/// The run to its end; what it leaves is printed, or with `-o json` the run.
pub(crate) fn to_the_end(
    request: &RunRequest,
    args: &Start,
    globals: &Globals,
    server: &Server,
) -> Result<ExitCode, CliError> {
    let run = start(request, args, globals, server)?;
    let run = follow(run, globals, server)?;
    let output = &globals.output;
    match (&run.output, output.form, &output.fields) {
        (Some(left), Form::Table, None) if !output.quiet => output.json(left.as_str())?,
        (None, Form::Table, None) if !output.quiet => {}
        _ => output.object(&RUN, &run)?,
    }
    Ok(end(&run, globals))
}

fn start(
    request: &RunRequest,
    args: &Start,
    globals: &Globals,
    server: &Server,
) -> Result<RunObject, CliError> {
    let key = args.idempotency_key.as_deref();
    let run = server.ask(|client| client.start_run(request, key))?;
    if run.duplicate {
        let output = &globals.output;
        output.note("the same request was accepted before under this key");
    }
    Ok(run)
}

fn follow(run: RunObject, globals: &Globals, server: &Server) -> Result<RunObject, CliError> {
    let output = &globals.output;
    let id = run.id;
    output.note(&format!("accepted run {id} of workflow {}", run.name));
    let mut progress = Progress::new(!output.quiet);
    let run =
        server.ask(|client| client.follow_run(id, globals.until(), |run| progress.show(run)))?;
    progress.end();
    if !run.is_final {
        let detail = format!("run {id} is still {}", run.state);
        return Err(CliError::new("wait_timeout", detail));
    }
    Ok(run)
}

/// How it ended, for people and as an exit code.
fn end(run: &RunObject, globals: &Globals) -> ExitCode {
    let why = run.error.as_deref().map(crate::report::plain);
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    globals.output.note(&format!("{}{why}", run.state));
    Exit::of_state(&run.state).into()
}

/// Prints the id, or with `-o json` the run.
fn show(run: &RunObject, globals: &Globals) -> Result<(), CliError> {
    let output = &globals.output;
    match (output.form, &output.fields) {
        (Form::Table, None) => output.line(&run.id.to_string()),
        _ => output.object(&RUN, run),
    }
}

fn inputs(args: &Start) -> Result<Map<String, Value>, CliError> {
    let mut inputs = match args.input.as_ref().map(input::json).transpose()? {
        None => Map::new(),
        Some(json) => serde_json::from_str(json.as_str()).map_err(|_| {
            CliError::new("usage", "--input must be a JSON object: {\"name\": value}")
        })?,
    };
    inputs.extend(args.set.iter().cloned());
    Ok(inputs)
}
