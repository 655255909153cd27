//! `warrener schedule next`.

use crate::args::schedule::One;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SLOT;
use std::process::ExitCode;

pub(crate) fn run(args: &One, globals: &Globals) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&SLOT)?;
    let server = globals.server()?;
    let schedule = server.ask(|client| client.schedule(args.name.as_str()))?;
    if schedule.paused {
        let note = format!("{} is paused: these slots start nothing", args.name);
        globals.output.note(&note);
    }
    let slots = schedule.next.iter();
    let slots: Vec<_> = slots
        .map(|slot| serde_json::json!({ "slot": slot }))
        .collect();
    globals.output.list(&SLOT, &slots, None)?;
    Ok(ExitCode::SUCCESS)
}
