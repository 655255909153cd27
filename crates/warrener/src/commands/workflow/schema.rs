//! `warrener workflow schema`.

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{Output, serialised};
use std::process::ExitCode;
use warrener_workflow::schema::schema;

pub(super) fn run(args: &GlobalArgs) -> Result<ExitCode, CliError> {
    let output = Output::new(args.form()?, None, args.quiet, args.no_color);
    output.json(&serialised(&schema())?)?;
    Ok(ExitCode::SUCCESS)
}
