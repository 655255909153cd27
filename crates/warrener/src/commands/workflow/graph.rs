//! `warrener workflow graph`: a picture of a file.

use super::{invalid, read};
use crate::args::workflow::File;
use crate::args::{Asked, GlobalArgs};
use crate::commands::input;
use crate::error::CliError;
use crate::output::{Form, Output, serialised};
use std::process::ExitCode;
use warrener_workflow::draw;

pub(super) fn run(file: &File, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    let text = input::text(&file.file)?;
    let workflow = read(&file.file, &text).map_err(invalid)?;
    let output = Output::new(Form::Json, None, args.quiet, args.no_color);
    match args.drawing() {
        Asked::Table | Asked::Mermaid => output.write(&draw::mermaid(&workflow))?,
        Asked::Dot => output.write(&draw::dot(&workflow))?,
        Asked::Json | Asked::Jsonl => output.json(&serialised(&draw::graph(&workflow))?)?,
    }
    Ok(ExitCode::SUCCESS)
}
