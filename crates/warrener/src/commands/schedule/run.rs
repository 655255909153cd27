//! `warrener schedule run`.

use crate::args::schedule::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::Form;
use crate::view::SCHEDULE;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    let output = &globals.output;
    output.check_fields(&SCHEDULE)?;
    let server = globals.server()?;
    let schedule = server.ask(|client| client.run_schedule(args.name.as_str()))?;
    let task = schedule.last_task_id.map(|id| id.to_string());
    let started = task.or(schedule.last_run_id.map(|id| id.to_string()));
    if schedule.waiting > 0 {
        let note = "what it started before has not ended: this one waits in line";
        output.note(note);
    }
    match (output.form, &output.fields, started) {
        (Form::Table, None, Some(id)) if schedule.waiting == 0 => {
            output.line(&id)?;
        }
        _ => output.row(&SCHEDULE, &schedule)?,
    }
    Ok(ExitCode::SUCCESS)
}
