//! `warrener workflow validate`: every mistake of every file.

use super::{invalid, read};
use crate::args::GlobalArgs;
use crate::args::workflow::Files;
use crate::commands::input;
use crate::error::CliError;
use crate::output::{Output, serialised};
use serde::Serialize;
use std::process::ExitCode;

/// What is said of a sound file.
#[derive(Serialize)]
struct Sound<'a> {
    file: &'a str,
    name: String,
    inputs: usize,
    steps: usize,
}

pub(super) fn run(files: &Files, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    let output = Output::new(args.form()?, None, args.quiet, args.no_color);
    let (mut sound, mut mistakes) = (Vec::new(), Vec::new());
    for file in &files.files {
        match read(file, &input::text(file)?) {
            Ok(workflow) => sound.push(Sound {
                file,
                name: workflow.name.to_string(),
                inputs: workflow.inputs.len(),
                steps: workflow.steps.len(),
            }),
            Err(found) => mistakes.extend(found),
        }
    }
    if !mistakes.is_empty() {
        return Err(invalid(mistakes));
    }
    for one in &sound {
        if args.form()? != crate::output::Form::Table {
            output.json(&serialised(one)?)?;
        } else if !args.quiet {
            let Sound {
                file,
                name,
                inputs,
                steps,
            } = one;
            output.line(&format!(
                "{file}: workflow {name} is sound: {inputs} inputs, {steps} steps"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
