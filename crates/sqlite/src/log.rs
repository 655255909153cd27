//! Logs of attempts: the first half of the limit is kept as it came, then the newest of the second half.

use crate::row;
use rusqlite::{Connection, OptionalExtension as _, params};
use warrener_backend::store::LogChunk;
use warrener_model::limits;

const HALF: usize = limits::LOG_BYTES / 2;

/// How much of an attempt's log is there.
#[derive(Default)]
struct Size {
    head: usize,
    tail: usize,
    tail_from: Option<i64>,
}

/// Appends a piece; drops what that is too much. A task that is not there (any more) has no log.
pub(crate) fn append(db: &Connection, chunk: &LogChunk) -> rusqlite::Result<()> {
    if chunk.text.is_empty() {
        return Ok(());
    }
    let Some(task) = row::number(db, chunk.task)? else {
        return Ok(());
    };
    let mut size = read(db, task, chunk.attempt)?;
    let room = match size.tail_from {
        None => HALF.saturating_sub(size.head),
        Some(_) => 0,
    };
    let (first, rest) = chunk.text.split_at(chunk.text.floor_char_boundary(room));
    if !first.is_empty() {
        insert(db, task, chunk, first)?;
        size.head += first.len();
    }
    if !rest.is_empty() {
        let last = &rest[rest.ceil_char_boundary(rest.len().saturating_sub(HALF))..];
        let n = insert(db, task, chunk, last)?;
        size.tail += last.len();
        size.tail_from = size.tail_from.or(Some(n));
        shorten(db, task, chunk.attempt, &mut size)?;
    }
    write(db, task, chunk.attempt, &size)
}

/// Drops the oldest pieces of the second half until it fits.
fn shorten(db: &Connection, task: i64, attempt: u32, size: &mut Size) -> rusqlite::Result<()> {
    while let Some(from) = size.tail_from.filter(|_| size.tail > HALF) {
        let dropped: usize = db
            .prepare_cached("DELETE FROM log WHERE n = ?1 RETURNING length(CAST(text AS BLOB))")?
            .query_row([from], |row| row.get(0))?;
        size.tail = size.tail.saturating_sub(dropped);
        size.tail_from = db
            .prepare_cached(
                "SELECT n FROM log WHERE task = ?1 AND n > ?2 AND attempt = ?3 ORDER BY n LIMIT 1",
            )?
            .query_row(params![task, from, attempt], |row| row.get(0))
            .optional()?;
    }
    Ok(())
}

fn insert(db: &Connection, task: i64, chunk: &LogChunk, text: &str) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "INSERT INTO log (task, attempt, at, stream, text) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        task,
        chunk.attempt,
        chunk.at.as_millis(),
        chunk.stream,
        text
    ])?;
    Ok(db.last_insert_rowid())
}

fn read(db: &Connection, task: i64, attempt: u32) -> rusqlite::Result<Size> {
    let size = db
        .prepare_cached(
            "SELECT head, tail, tail_from FROM log_size WHERE task = ?1 AND attempt = ?2",
        )?
        .query_row(params![task, attempt], |row| {
            Ok(Size {
                head: row.get(0)?,
                tail: row.get(1)?,
                tail_from: row.get(2)?,
            })
        })
        .optional()?;
    Ok(size.unwrap_or_default())
}

fn write(db: &Connection, task: i64, attempt: u32, size: &Size) -> rusqlite::Result<()> {
    let head = i64::try_from(size.head).unwrap_or(i64::MAX);
    let tail = i64::try_from(size.tail).unwrap_or(i64::MAX);
    db.prepare_cached(
        "REPLACE INTO log_size (task, attempt, head, tail, tail_from) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![task, attempt, head, tail, size.tail_from])?;
    Ok(())
}
