//! `warrener dlq …`: dead letters are the tasks in state `dead`; refused messages never were tasks.

use crate::args::dlq::Verb;
use crate::error::CliError;
use crate::globals::Globals;
use std::process::ExitCode;
use warrener_api::dead::{DeadAnswer, Skipped};

mod archive;
mod discard;
mod groups;
mod list;
mod refused;
mod requeue;
mod show;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::List(args) => list::run(args, globals),
        Verb::Groups(args) => groups::run(args, globals),
        Verb::Show(args) => show::run(&args, globals),
        Verb::Requeue(args) => requeue::run(args, globals),
        Verb::Discard(args) => discard::run(args, globals),
        Verb::Archive(args) => archive::run(&args, globals),
        Verb::Refused(args) => refused::run(args, globals),
    }
}

/// Nothing done of what was named is a failure.
fn done(answer: &DeadAnswer) -> Result<(), CliError> {
    if let (0, [first, others @ ..]) = (answer.done, &*answer.skipped) {
        let more = match others.len() {
            0 => String::new(),
            n => format!(", and {n} more like it"),
        };
        let reason = crate::report::plain(&first.reason);
        let detail = format!("nothing was done: task {} {reason}{more}", first.id);
        return Err(CliError::new(&first.code, detail));
    }
    Ok(())
}

/// Says which tasks were left as they are.
fn skipped(answer: &DeadAnswer, globals: &Globals) -> Result<(), CliError> {
    done(answer)?;
    for Skipped { id, reason, .. } in &answer.skipped {
        let reason = crate::report::plain(reason);
        globals
            .output
            .note(&format!("left as it is: {id}: {reason}"));
    }
    Ok(())
}

/// A filter that also asks for dead tasks.
fn dead(filter: Option<&str>) -> String {
    match filter {
        Some(filter) => format!("state:dead {filter}"),
        None => "state:dead".into(),
    }
}
