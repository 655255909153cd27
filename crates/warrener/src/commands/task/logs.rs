//! `warrener task logs`: the text as it came; with `-o json` or `--fields` its pieces.

use crate::args::task::Logs;
use crate::error::CliError;
use crate::globals::Globals;
use crate::output::{Form, Listing};
use crate::view::LOG;
use std::process::ExitCode;
use warrener_api::client::ClientError;
use warrener_api::log::{EVENT_END, EVENT_LOG, LogPiece};

pub(crate) fn run(args: &Logs, globals: &Globals) -> Result<ExitCode, CliError> {
    let mut listing = globals.output.listing(&LOG)?;
    if args.follow {
        follow(args, globals, &mut listing)?;
    } else {
        let server = globals.server()?;
        let mut after = None;
        loop {
            let page = server.ask(|client| client.logs(args.id, args.attempt, after.as_deref()))?;
            show(globals, &mut listing, &page.items)?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    if !is_text(globals) {
        listing.finish(None)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn follow(args: &Logs, globals: &Globals, listing: &mut Listing<'_>) -> Result<(), CliError> {
    let server = globals.server()?;
    let events = server.ask(|client| client.follow_logs(args.id, args.attempt))?;
    for event in events {
        let event = server.ask(|_| event)?;
        match event.event.as_str() {
            EVENT_LOG => {
                let piece = serde_json::from_str(&event.data);
                let piece = server.ask(|client| {
                    piece.map_err(|e: serde_json::Error| ClientError::Unreadable {
                        url: client.url().to_owned(),
                        status: 200,
                        reason: e.to_string(),
                    })
                })?;
                show(globals, listing, &[piece])?;
            }
            EVENT_END => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

fn show(globals: &Globals, listing: &mut Listing<'_>, pieces: &[LogPiece]) -> Result<(), CliError> {
    if is_text(globals) {
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        return globals.output.write(&text);
    }
    listing.push(pieces)
}

/// Whether the log is printed as it came.
fn is_text(globals: &Globals) -> bool {
    let output = &globals.output;
    output.form == Form::Table && output.fields.is_none() && !output.quiet
}
