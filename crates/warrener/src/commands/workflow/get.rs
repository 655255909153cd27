//! `warrener workflow get`: a run, and where its steps are.

use super::progress;
use crate::args::workflow::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::Form;
use crate::view::RUN;
use std::process::ExitCode;

pub(super) fn run(one: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let output = &globals.output;
    output.check_fields(&RUN)?;
    let server = globals.server()?;
    let run = server.ask(|client| client.run(one.id, None))?;
    let plain = output.form == Form::Table && output.fields.is_none() && !output.quiet;
    if !plain {
        output.object(&RUN, &run)?;
        return Ok(ExitCode::SUCCESS);
    }
    output.row(&RUN, &run)?;
    output.line("")?;
    for (id, step) in &run.steps.0 {
        output.line(&progress::line(id, step))?;
        if let Some(error) = &step.error {
            output.line(&format!("  {}", crate::report::plain(error)))?;
        }
    }
    if let Some(value) = &run.output {
        output.line(&format!(
            "\noutput {}",
            crate::report::plain(value.as_str())
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
