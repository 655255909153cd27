//! `warrener completions SHELL`.

use crate::args::{self, GlobalArgs};
use crate::error::CliError;
use crate::output::Output;
use clap_complete::Shell;
use std::process::ExitCode;

pub(crate) fn run(shell: Shell, args: &GlobalArgs) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::tree(), "warrener", &mut script);
    let output = Output::new(args.form()?, None, args.quiet, true);
    output.write(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
