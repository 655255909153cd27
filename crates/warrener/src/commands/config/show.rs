//! `warrener config show`.

use crate::config::show::rows;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::{SETTING, SETTING_ORIGIN};
use std::process::ExitCode;

pub(crate) fn run(origin: bool, globals: &Globals) -> Result<ExitCode, CliError> {
    let view = if origin { &SETTING_ORIGIN } else { &SETTING };
    globals.output.list(view, &rows(&globals.settings), None)?;
    Ok(ExitCode::SUCCESS)
}
