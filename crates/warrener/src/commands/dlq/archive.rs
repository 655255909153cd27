//! `warrener dlq archive`: dead letters as JSON lines; with `--discard` those that were written are discarded.

use super::dead;
use crate::args::dlq::Archive;
use crate::commands::listing::each_page;
use crate::connect::Server;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::serialised;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use warrener_api::client::routes::ListQuery;
use warrener_api::requests::DiscardRequest;
use warrener_api::{Client, TaskObject};
use warrener_model::TaskId;

/// Ids of one request to discard.
const CHUNK: usize = 500;
/// Rows of one page; they come with their bodies.
const ROWS: usize = 100;

pub(crate) fn run(args: &Archive, globals: &Globals) -> Result<ExitCode, CliError> {
    let server = globals.server()?;
    if args.dry_run {
        let mut count = 0;
        each_dead(&server, args, |_| {
            count += 1;
            Ok(())
        })?;
        globals
            .output
            .note(&format!("{count} dead letters would be archived"));
        return Ok(ExitCode::SUCCESS);
    }
    if args.discard {
        globals.confirm("archive dead letters, and discard them then?")?;
    }
    let mut archive = Sink::open(&args.to, globals)?;
    let mut ids: Vec<TaskId> = vec![];
    each_dead(&server, args, |task| {
        archive.line(&serialised(task)?)?;
        ids.push(task.id);
        Ok(())
    })?;
    archive.close()?;
    let mut done = format!("{} dead letters archived", ids.len());
    if args.discard {
        let discarded = discard(&server, &ids)?;
        done += &format!(", {discarded} of them discarded");
    }
    globals.output.note(&done);
    Ok(ExitCode::SUCCESS)
}

/// Shows each dead letter that is meant, with its bodies.
fn each_dead(
    server: &Server,
    args: &Archive,
    mut show: impl FnMut(&TaskObject) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let which = &args.which;
    for id in &which.ids {
        let task = server.ask(|client| client.task(*id, None))?;
        if task.state != "dead" {
            let detail = format!("task {id} is no dead letter: it is {}", task.state);
            return Err(CliError::new("illegal_state", detail));
        }
        show(&task)?;
    }
    if !which.ids.is_empty() {
        return Ok(());
    }
    let group = which
        .fingerprint
        .as_ref()
        .map(|group| format!("fingerprint:{group}"));
    let query = ListQuery {
        filter: Some(dead(group.as_deref().or(which.filter.as_deref()))),
        sort: Some("created_at".into()),
        limit: Some(ROWS),
        cursor: None,
        fields: Some("input,output".into()),
    };
    each_page(server, query, true, Client::tasks, |page| {
        page.items.iter().try_for_each(&mut show)
    })
}

fn discard(server: &Server, ids: &[TaskId]) -> Result<u64, CliError> {
    let mut done = 0;
    for chunk in ids.chunks(CHUNK) {
        let request = DiscardRequest {
            ids: Some(chunk.to_vec()),
            reason: Some("archived".into()),
            ..DiscardRequest::default()
        };
        done += server.ask(|client| client.discard(&request))?.done;
    }
    Ok(done)
}

/// Where the lines go.
enum Sink<'a> {
    /// A file that was not there.
    File(BufWriter<File>, &'a str),
    /// Stdout.
    Out(&'a Globals),
}

impl<'a> Sink<'a> {
    fn open(to: &'a str, globals: &'a Globals) -> Result<Self, CliError> {
        if to == "-" {
            return Ok(Sink::Out(globals));
        }
        let file = File::create_new(to).map_err(|e| {
            CliError::new("output_failed", format!("cannot make {to}: {e}"))
                .hint("name a file that does not exist with --to")
        })?;
        Ok(Sink::File(BufWriter::new(file), to))
    }

    fn line(&mut self, text: &str) -> Result<(), CliError> {
        match self {
            Sink::Out(globals) => globals.output.line(text),
            Sink::File(file, name) => writeln!(file, "{text}").map_err(|e| failed(name, &e)),
        }
    }

    /// Everything is on the disk after this: what is discarded next is kept there.
    fn close(self) -> Result<(), CliError> {
        let Sink::File(file, name) = self else {
            return Ok(());
        };
        let file = file.into_inner().map_err(|e| failed(name, e.error()))?;
        file.sync_all().map_err(|e| failed(name, &e))
    }
}

fn failed(name: &str, error: &std::io::Error) -> CliError {
    CliError::new("output_failed", format!("cannot write {name}: {error}"))
}
