//! The end of the demo: what the work found, and the books, read from the store.

use super::story::tell;
use crate::error::CliError;
use crate::output::{Form, Output};
use serde_json::{Map, Value, json};
use warrener_engine::Orchestrator;
use warrener_model::State;

/// Prints both; says whether the books balance and nothing is left over. As JSON: one object.
pub(super) async fn print(
    output: &Output,
    orchestrator: &Orchestrator,
    accepted: usize,
    result: &Value,
    processes: &[u32],
) -> Result<bool, CliError> {
    found(output, &result["summary"])?;
    let books = orchestrator.books().await.map_err(super::internal)?;
    let finals = [
        State::Succeeded,
        State::Failed,
        State::Dead,
        State::Cancelled,
        State::Expired,
    ];
    let sum: u64 = finals.iter().map(|state| books.of(*state)).sum::<u64>() + books.open;
    let balanced = books.accepted == accepted as u64
        && sum + books.purged == books.accepted
        && books.open == 0
        && books.lost == 0
        && processes.is_empty();
    if output.form != Form::Table {
        let parts = finals.iter();
        let parts = parts.map(|state| (state.to_string(), books.of(*state).into()));
        let mut object: Map<String, Value> = parts.collect();
        for (name, value) in [
            ("accepted", books.accepted),
            ("open", books.open),
            ("lost", books.lost),
            ("processes_left", processes.len() as u64),
        ] {
            object.insert(name.into(), value.into());
        }
        object.insert("balanced".into(), balanced.into());
        let result = json!({ "summary": result["summary"], "decision": result["decision"] });
        object.insert("result".into(), result);
        output.json(&Value::Object(object).to_string())?;
        return Ok(balanced);
    }
    let parts: Vec<String> = finals
        .iter()
        .map(|state| format!("{state} {}", books.of(*state)))
        .collect();
    let parts = parts.join(" + ");
    tell(output, "")?;
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
    Ok(balanced)
}

/// What the work found.
fn found(output: &Output, summary: &Value) -> Result<(), CliError> {
    let number = |field: &str| summary[field].as_u64().unwrap_or(0);
    tell(output, "")?;
    tell(
        output,
        &format!(
            "{} files, {} lines, {} words, {} bytes; {} relative links, {} broken",
            number("files"),
            number("lines"),
            number("words"),
            number("bytes"),
            number("links"),
            summary["broken"].as_array().map_or(0, Vec::len),
        ),
    )?;
    for broken in summary["broken"].as_array().into_iter().flatten().take(5) {
        let text = |field: &str| broken[field].as_str().unwrap_or_default().to_owned();
        let line = format!("  broken: {} in {}", text("link"), text("in"));
        tell(output, &line)?;
    }
    Ok(())
}
