//! `warrener config schema`.

use crate::args::GlobalArgs;
use crate::config::schema::schema;
use crate::error::CliError;
use crate::output::{Output, serialised};
use std::process::ExitCode;

pub(crate) fn run(args: &GlobalArgs) -> Result<ExitCode, CliError> {
    let output = Output::new(args.form()?, None, args.quiet, args.no_color);
    output.json(&serialised(&schema())?)?;
    Ok(ExitCode::SUCCESS)
}
