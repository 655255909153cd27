//! Pages of a list: one, or with `--all` every one.

use crate::args::task::PageArgs;
use crate::connect::Server;
use crate::error::CliError;
use crate::globals::Globals;
use crate::view::View;
use serde::Serialize;
use std::process::ExitCode;
use warrener_api::client::routes::ListQuery;
use warrener_api::client::{Client, ClientError};
use warrener_api::{Page, client};

/// Rows of a page when every page is read.
const ROWS: usize = 500;

/// The question for the first page.
pub(crate) fn query(filter: Option<String>, page: &PageArgs) -> ListQuery {
    ListQuery {
        filter,
        sort: None,
        limit: Some(if page.all {
            ROWS
        } else {
            usize::from(page.limit)
        }),
        cursor: page.cursor.clone(),
        fields: None,
    }
}

/// The fields that lists leave out unless they are named: those of them that the output needs.
pub(crate) fn bodies(globals: &Globals) -> Option<String> {
    let wanted = globals.output.fields.iter().flatten();
    let left_out = ["input", "output"];
    let wanted: Vec<&str> = wanted
        .filter_map(|field| field.split('.').next())
        .filter(|field| left_out.contains(field))
        .collect();
    (!wanted.is_empty()).then(|| wanted.join(","))
}

/// Prints the page that was asked for, or all of them.
pub(crate) fn print<T: Serialize>(
    globals: &Globals,
    view: &View,
    query: ListQuery,
    all: bool,
    ask: impl Fn(&Client, &ListQuery) -> client::Result<Page<T>>,
) -> Result<ExitCode, CliError> {
    let mut listing = globals.output.listing(view)?;
    let server = globals.server()?;
    let mut next = None;
    each_page(&server, query, all, ask, |page| {
        next = page.next;
        listing.push(&page.items)
    })?;
    listing.finish(next.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Reads one page, or all of them, and shows each.
pub(crate) fn each_page<T>(
    server: &Server,
    mut query: ListQuery,
    all: bool,
    ask: impl Fn(&Client, &ListQuery) -> Result<Page<T>, ClientError>,
    mut show: impl FnMut(Page<T>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    loop {
        let page = server.ask(|client| ask(client, &query))?;
        query.cursor = page.next.clone();
        show(page)?;
        if !all || query.cursor.is_none() {
            return Ok(());
        }
    }
}
