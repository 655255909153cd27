//! `warrener state …`: the verbs that are one request and one answer.

use crate::args::state::{Cas, Delete, Fence, Place, Restore, Set, Space, Unlock, Verb};
use crate::commands::input;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::Form;
use crate::view::{LOCK, RESTORED, SNAPSHOT, STATE, WRITTEN};
use serde_json::json;
use std::process::ExitCode;
use warrener_api::client::state::{StateRange, WriteOptions};
use warrener_api::requests::RestoreRequest;

mod list;
mod lock;
mod watch;

pub(crate) fn run(verb: Verb, globals: &Globals) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Get(place) => get(&place, globals),
        Verb::Set(args) => set(&args, globals),
        Verb::Cas(args) => set(&at(args), globals),
        Verb::Delete(args) => delete(&args, globals),
        Verb::List(args) => list::list(&args, globals),
        Verb::History(args) => list::history(&args, globals),
        Verb::Watch(args) => watch::run(args, globals),
        Verb::Lock(args) => lock::run(&args, globals),
        Verb::Unlock(args) => unlock(&args, globals),
        Verb::Snapshot(args) => snapshot(&args, globals),
        Verb::Restore(args) => restore(args, globals),
    }
}

fn get(place: &Place, globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    let found = server.ask(|client| client.state(&place.space, &place.key))?;
    let output = &globals.output;
    if output.form == Form::Table && output.fields.is_none() {
        output.line(found.value.as_str())?;
    } else {
        output.object(&STATE, &found)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A compare-and-set is a set with a version.
fn at(args: Cas) -> Set {
    Set {
        place: args.place,
        value: args.value,
        ttl: args.ttl,
        if_version: Some(args.version),
        fence: args.fence,
    }
}

fn options<'a>(if_version: Option<u64>, fence: &'a Fence) -> WriteOptions<'a> {
    WriteOptions {
        if_version,
        ttl: None,
        lock: fence.lock.as_deref().zip(fence.token),
        request_id: fence.idempotency_key.as_deref(),
    }
}

fn set(args: &Set, globals: &Globals) -> Result<ExitCode, CliError> {
    let value = input::json(&args.value)?;
    let (space, key) = (&args.place.space, &args.place.key);
    let options = WriteOptions {
        ttl: args.ttl,
        ..options(args.if_version, &args.fence)
    };
    let server = globals.server()?;
    let written = server.ask(|client| client.set_state(space, key, &value, &options))?;
    globals.output.row(&WRITTEN, &written)?;
    Ok(ExitCode::SUCCESS)
}

fn delete(args: &Delete, globals: &Globals) -> Result<ExitCode, CliError> {
    let (space, key) = (&args.place.space, &args.place.key);
    let options = options(args.if_version, &args.fence);
    let server = globals.server()?;
    let written = server.ask(|client| client.delete_state(space, key, &options))?;
    globals.output.row(&WRITTEN, &written)?;
    Ok(ExitCode::SUCCESS)
}

fn unlock(args: &Unlock, globals: &Globals) -> Result<ExitCode, CliError> {
    let (space, key) = (&args.place.space, &args.place.key);
    let server = globals.server()?;
    let lock = server.ask(|client| client.release_lock(space, key, args.token))?;
    globals.output.row(&LOCK, &lock)?;
    Ok(ExitCode::SUCCESS)
}

fn snapshot(args: &Space, globals: &Globals) -> Result<ExitCode, CliError> {
    let one = StateRange {
        limit: Some(1),
        ..StateRange::default()
    };
    let server = globals.server()?;
    let page = server.ask(|client| client.states(&args.space, &one))?;
    let snapshot = json!({"space": args.space, "cursor": page.cursor});
    globals.output.row(&SNAPSHOT, &snapshot)?;
    Ok(ExitCode::SUCCESS)
}

fn restore(args: Restore, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = RestoreRequest {
        cursor: args.cursor,
    };
    let server = globals.server()?;
    let done = server.ask(|client| client.restore_state(&args.space.space, &request))?;
    globals.output.row(&RESTORED, &done)?;
    Ok(ExitCode::SUCCESS)
}
