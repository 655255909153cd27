//! `warrener schedule …`.

use crate::args::schedule::{One, Verb};
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::SCHEDULE;
use std::process::ExitCode;
use warrener_api::client::{self, Client};
use warrener_api::schedule::ScheduleObject;

mod create;
mod delete;
mod firings;
mod get;
mod list;
mod next;
mod run;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Create(args) => create::run(*args, globals),
        Verb::List(args) => list::run(&args, globals),
        Verb::Get(args) => get::run(&args, globals),
        Verb::Next(args) => next::run(&args, globals),
        Verb::Firings(args) => firings::run(&args, globals),
        Verb::Pause(args) => act(&args, globals, Client::pause_schedule),
        Verb::Resume(args) => act(&args, globals, Client::resume_schedule),
        Verb::Run(args) => run::run(&args, globals),
        Verb::Delete(args) => delete::run(&args, globals),
    }
}

/// Does something with a schedule and shows how it stands then.
fn act(
    args: &One,
    globals: &Globals,
    ask: impl Fn(&Client, &str) -> client::Result<ScheduleObject>,
) -> Result<ExitCode, CliError> {
    globals.output.check_fields(&SCHEDULE)?;
    let server = globals.server()?;
    let schedule = server.ask(|client| ask(client, args.name.as_str()))?;
    globals.output.row(&SCHEDULE, &schedule)?;
    Ok(ExitCode::SUCCESS)
}
