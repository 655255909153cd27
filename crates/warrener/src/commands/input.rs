//! Reads what a flag names: JSON as typed, a file, or stdin.

use crate::args::values::Input;
use crate::error::CliError;
use std::io::Read;
use std::path::Path;
use warrener_model::Json;
use warrener_model::limits::BATCH_BYTES;

/// The JSON that a flag names.
///
/// # Errors
/// The file or stdin cannot be read, or holds no JSON.
pub(crate) fn json(input: &Input) -> Result<Json, CliError> {
    let (place, text) = match input {
        Input::Json(json) => return Ok(json.clone()),
        Input::File(path) => (path.display().to_string(), file(path)?),
        Input::Stdin => ("stdin".to_owned(), stdin()?),
    };
    Json::parse(text.trim().into()).map_err(|e| {
        CliError::new(
            "usage",
            format!("--input: {place} is not one JSON value: {e}"),
        )
    })
}

/// A file's text, or stdin's for `-`.
///
/// # Errors
/// It cannot be read, or is over the limit of a batch.
pub(crate) fn text(name: &str) -> Result<String, CliError> {
    if name == "-" {
        stdin()
    } else {
        file(Path::new(name))
    }
}

fn file(path: &Path) -> Result<String, CliError> {
    let unreadable = |e| CliError::new("usage", format!("cannot read {}: {e}", path.display()));
    read(
        std::fs::File::open(path).map_err(unreadable)?,
        &path.display().to_string(),
    )
}

fn stdin() -> Result<String, CliError> {
    read(std::io::stdin().lock(), "stdin")
}

fn read(from: impl Read, place: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let limit = BATCH_BYTES as u64 + 1;
    let read = from.take(limit).read_to_string(&mut text);
    read.map_err(|e| CliError::new("usage", format!("cannot read {place}: {e}")))?;
    if text.len() > BATCH_BYTES {
        let detail = format!("{place} is over the limit of 32 MiB");
        return Err(CliError::new("too_large", detail).hint("split it into several batches"));
    }
    Ok(text)
}
