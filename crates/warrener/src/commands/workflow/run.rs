//! `warrener workflow run`: a file, checked here, started there, followed if asked.

use super::progress::Progress;
use super::text;
use crate::args::workflow::Run;
use crate::commands::input;
use crate::error::{CliError, Exit};
use crate::globals::Globals;
use crate::output::Form;
use crate::view::RUN;
use serde_json::{Map, Value};
use std::process::ExitCode;
use warrener_api::run::{RunObject, RunRequest};

pub(super) fn run(args: Run, globals: &Globals) -> Result<ExitCode, CliError> {
    let output = &globals.output;
    output.check_fields(&RUN)?;
    let request = RunRequest {
        workflow: text(&args.file)?,
        inputs: inputs(&args)?,
    };
    let server = globals.server()?;
    let key = args.idempotency_key.as_deref();
    let run = server.ask(|client| client.start_run(&request, key))?;
    if run.duplicate {
        output.note("the same request was accepted before under this key");
    }
    if !args.wait {
        show(&run, globals)?;
        return Ok(ExitCode::SUCCESS);
    }
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
    show(&run, globals)?;
    let why = run.error.as_deref().map(crate::report::plain);
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    output.note(&format!("{}{why}", run.state));
    Ok(Exit::of_state(&run.state).into())
}

/// Prints the id, or with `-o json` the run.
fn show(run: &RunObject, globals: &Globals) -> Result<(), CliError> {
    let output = &globals.output;
    match (output.form, &output.fields) {
        (Form::Table, None) => output.line(&run.id.to_string()),
        _ => output.object(&RUN, run),
    }
}

fn inputs(args: &Run) -> Result<Map<String, Value>, CliError> {
    let mut inputs = match args.input.as_ref().map(input::json).transpose()? {
        None => Map::new(),
        Some(json) => serde_json::from_str(json.as_str()).map_err(|_| {
            CliError::new("usage", "--input must be a JSON object: {\"name\": value}")
        })?,
    };
    inputs.extend(args.set.iter().cloned());
    Ok(inputs)
}
