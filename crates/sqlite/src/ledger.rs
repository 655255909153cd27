//! The ledger: how many tasks were ever accepted and purged, counted by whoever does it and never from the rows.

use crate::cells::Cells;
use crate::read::all;
use rusqlite::{Connection, params};
use warrener_backend::query::Ledger;

/// Of each state, from the rows themselves: an index with nothing but states, so no row is read.
pub(crate) const FOUND: &str = "SELECT state, count(*) FROM task GROUP BY state";

/// Tasks that this transaction accepted.
pub(crate) fn accepted(db: &Connection, count: u64) -> rusqlite::Result<()> {
    add(db, "accepted", count)
}

/// Tasks that this transaction purged.
pub(crate) fn purged(db: &Connection, count: usize) -> rusqlite::Result<()> {
    add(db, "purged", count as u64)
}

fn add(db: &Connection, name: &str, count: u64) -> rusqlite::Result<()> {
    if count > 0 {
        db.prepare_cached("UPDATE ledger SET n = n + ?2 WHERE name = ?1")?
            .execute(params![name, count.cast_signed()])?;
    }
    Ok(())
}

/// Both counts, and what is there.
pub(crate) fn read(db: &Connection) -> rusqlite::Result<Ledger> {
    let count = |name: &str| -> rusqlite::Result<u64> {
        db.prepare_cached("SELECT n FROM ledger WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
    };
    Ok(Ledger {
        accepted: count("accepted")?,
        purged: count("purged")?,
        found: all(db, FOUND, [], |row| {
            let mut cells = Cells::new(row);
            Ok((cells.word()?, cells.next()?))
        })?,
    })
}
