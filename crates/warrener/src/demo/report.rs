//! The end of the demo: what the work found, and the books, read from the store.

use crate::error::CliError;
use crate::output::Output;
use serde_json::Value;
use warrener_engine::Orchestrator;
use warrener_model::State;

/// Prints both; says whether the books balance and nothing is left over.
pub(super) async fn print(
    output: &Output,
    orchestrator: &Orchestrator,
    accepted: usize,
    summary: &Value,
    processes: &[u32],
) -> Result<bool, CliError> {
    let number = |field: &str| summary[field].as_u64().unwrap_or(0);
    output.line("")?;
    output.line(&format!(
        "{} files, {} lines, {} words, {} bytes; {} relative links, {} broken",
        number("files"),
        number("lines"),
        number("words"),
        number("bytes"),
        number("links"),
        summary["broken"].as_array().map_or(0, Vec::len),
    ))?;
    for broken in summary["broken"].as_array().into_iter().flatten().take(5) {
        let text = |field: &str| broken[field].as_str().unwrap_or_default().to_owned();
        output.line(&format!("  broken: {} in {}", text("link"), text("in")))?;
    }
    let books = orchestrator.books().await.map_err(super::internal)?;
    let finals = [
        State::Succeeded,
        State::Failed,
        State::Dead,
        State::Cancelled,
        State::Expired,
    ];
    let sum: u64 = finals.iter().map(|state| books.of(*state)).sum::<u64>() + books.open;
    let parts: Vec<String> = finals
        .iter()
        .map(|state| format!("{state} {}", books.of(*state)))
        .collect();
    output.line("")?;
    let parts = parts.join(" + ");
    output.line(&format!(
        "books: accepted {} = {parts} + open {}",
        books.accepted, books.open
    ))?;
    output.line(&format!(
        "open {}, lost {}, processes left {}",
        books.open,
        books.lost,
        processes.len()
    ))?;
    Ok(books.accepted == accepted as u64
        && sum + books.purged == books.accepted
        && books.open == 0
        && books.lost == 0
        && processes.is_empty())
}
