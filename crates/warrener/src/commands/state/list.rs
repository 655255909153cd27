//! `warrener state list` and `history`.

use crate::args::state::{History, List, Rows};
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::STATE;
use std::process::ExitCode;
use warrener_api::client::state::StateRange;
use warrener_api::client::{self, Client};
use warrener_api::state::StatePage;

pub(super) fn list(args: &List, globals: &Globals) -> Result<ExitCode, CliError> {
    let range = StateRange {
        prefix: args.prefix.as_deref(),
        at: args.at.as_deref(),
        ..StateRange::default()
    };
    print(globals, &args.page, &range, |client, range| {
        client.states(&args.space.space, range)
    })
}

pub(super) fn history(args: &History, globals: &Globals) -> Result<ExitCode, CliError> {
    let (space, key) = (&args.place.space, &args.place.key);
    print(
        globals,
        &args.page,
        &StateRange::default(),
        |client, range| client.state_history(space, key, range),
    )
}

/// The page that was asked for, or all of them.
fn print(
    globals: &Globals,
    rows: &Rows,
    range: &StateRange<'_>,
    ask: impl Fn(&Client, &StateRange<'_>) -> client::Result<StatePage>,
) -> Result<ExitCode, CliError> {
    let mut listing = globals.output.listing(&STATE)?;
    let server = globals.server()?;
    let mut next = rows.cursor.clone();
    loop {
        let range = StateRange {
            limit: Some(usize::from(rows.limit)),
            cursor: next.as_deref(),
            ..range.clone()
        };
        let page = server.ask(|client| ask(client, &range))?;
        listing.push(&page.items)?;
        next = page.next;
        if !rows.all || next.is_none() {
            listing.finish(next.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
    }
}
