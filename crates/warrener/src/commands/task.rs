//! `warrener task …`.

use crate::args::task::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;

mod answer;
mod approve;
mod cancel;
mod events;
mod get;
mod list;
mod logs;
mod reassign;
mod reject;
mod result;
mod retry;
mod submit;
mod wait;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Submit(args) => submit::run(*args, globals),
        Verb::List(args) => list::run(args, globals),
        Verb::Get(args) => get::run(&args, globals),
        Verb::Events(args) => events::run(&args, globals),
        Verb::Logs(args) => logs::run(&args, globals),
        Verb::Result(args) => result::run(&args, globals),
        Verb::Cancel(args) => cancel::run(args, globals),
        Verb::Retry(args) => retry::run(&args, globals),
        Verb::Reassign(args) => reassign::run(&args, globals),
        Verb::Approve(args) => approve::run(args, globals),
        Verb::Reject(args) => reject::run(args, globals),
        Verb::Answer(args) => answer::run(&args, globals),
        Verb::Wait(args) => wait::run(&args, globals),
    }
}
