//! Refused messages: the newest of them, and no more than the limit.

use crate::cells::Cells;
use rusqlite::{Connection, Row, params};
use warrener_backend::refused::{RefusedMessage, RefusedRow};
use warrener_model::id::MessageId;
use warrener_model::limits;

const PAGE: &str = "SELECT n, at, inbox, class, reason, sender, type, message, size, iif(?3, body, x'') FROM refused \
                    WHERE n < ?1 ORDER BY n DESC LIMIT ?2";

/// Keeps one; the oldest goes for it once there are too many.
pub(crate) fn keep(db: &Connection, refused: &RefusedMessage) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO refused (at, inbox, class, reason, sender, type, message, size, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        refused.at.as_millis(),
        refused.inbox,
        refused.class,
        refused.reason,
        refused.sender.as_ref().map(|sender| sender.as_str()),
        refused.kind,
        refused.message.as_bytes(),
        refused.size.cast_signed(),
        refused.body
    ])?;
    // Numbers have no gaps: whatever is this far behind the newest is one too many.
    let oldest = db.last_insert_rowid() - limits::REFUSED_ROWS.cast_signed();
    db.prepare_cached("DELETE FROM refused WHERE n <= ?1")?
        .execute([oldest])?;
    Ok(())
}

/// A page, newest first.
pub(crate) fn page(
    db: &Connection,
    before: Option<u64>,
    limit: usize,
    bodies: bool,
) -> rusqlite::Result<Vec<RefusedRow>> {
    let before = before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut page = db.prepare_cached(PAGE)?;
    let rows = page.query_map(params![before, limit, bodies], row)?;
    rows.collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<RefusedRow> {
    let mut cells = Cells::new(row);
    Ok(RefusedRow {
        n: cells.next::<i64>()?.cast_unsigned(),
        message: RefusedMessage {
            at: cells.time()?,
            inbox: cells.next()?,
            class: cells.next()?,
            reason: cells.next()?,
            sender: cells.maybe_word()?,
            kind: cells.next()?,
            message: MessageId::from_bytes(cells.next()?),
            size: cells.next::<i64>()?.cast_unsigned(),
            body: cells.next()?,
        },
    })
}
