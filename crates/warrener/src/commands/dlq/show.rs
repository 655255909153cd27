//! `warrener dlq show`.

use crate::args::task::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::DEAD;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let task = globals.server()?.ask(|client| client.task(args.id, None))?;
    if task.state != "dead" {
        let detail = format!("task {} is no dead letter: it is {}", args.id, task.state);
        let hint = format!("see it with `warrener task get {}`", args.id);
        return Err(CliError::new("illegal_state", detail).hint(hint));
    }
    globals.output.object(&DEAD, &task)?;
    Ok(ExitCode::SUCCESS)
}
