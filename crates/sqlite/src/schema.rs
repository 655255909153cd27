//! Opening connections: pragmas, the functions that SQL calls, migrations, the store's id.

use crate::error::{not_a_database, opening};
use crate::{filter, os};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::path::Path;
use std::time::Duration;
use warrener_backend::{Error, Result};
use warrener_model::Timestamp;
use warrener_model::id::StoreId;

/// Each brings the schema from the version of its place to the next one.
const MIGRATIONS: [&str; 11] = [
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_ledger.sql"),
    include_str!("../migrations/0003_kind.sql"),
    include_str!("../migrations/0004_fast.sql"),
    include_str!("../migrations/0005_refused.sql"),
    include_str!("../migrations/0006_runs.sql"),
    include_str!("../migrations/0007_schedule.sql"),
    include_str!("../migrations/0008_state.sql"),
    include_str!("../migrations/0009_parent.sql"),
    include_str!("../migrations/0010_session.sql"),
    include_str!("../migrations/0011_notice.sql"),
];
/// "Wrnr": tells our files from those of other programs.
const APPLICATION: i32 = 0x5772_6e72;
/// Before this, two connections to one file could damage it at a WAL reset.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Bytes of the smallest database. SQLite takes a file of one byte for an empty one, and would write over it.
const SHORTEST: u64 = 512;
/// Statements that each connection keeps prepared.
const STATEMENTS: usize = 128;
/// Bytes that the WAL file keeps after it was emptied.
const WAL_KEPT: i64 = 64 * 1024 * 1024;

/// The one connection that writes; makes or migrates the schema.
pub(crate) fn writer(file: &Path, busy: Duration, now: Timestamp) -> Result<(Connection, StoreId)> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        let version = rusqlite::version();
        return Err(Error::Invalid(format!(
            "SQLite {version} can damage a store; 3.51.3 or newer is needed"
        )));
    }
    if (1..SHORTEST).contains(&os::size(file)) {
        return Err(not_a_database(file, "it is too short to be a database"));
    }
    let open = |error: rusqlite::Error| opening(&error, file);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(file, flags).map_err(open)?;
    common(&db, busy).map_err(open)?;
    ours(&db, file)?;
    settle(&db).map_err(open)?;
    let mode: String = db
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(open)?;
    if mode != "wal" {
        return Err(Error::Invalid(format!(
            "{} cannot have a write-ahead log (its journal mode stays {mode}); choose another folder",
            file.display()
        )));
    }
    migrate(&mut db, file)?;
    let id = identity(&db, now).map_err(open)?;
    Ok((db, id))
}

/// The id of the store in this file, for who only wants to know; nothing where there is none.
pub(crate) fn peek(file: &Path, busy: Duration) -> Result<Option<StoreId>> {
    if os::size(file) < SHORTEST {
        return Ok(None);
    }
    let db = reader(file, busy)?;
    ours(&db, file)?;
    let id = stored(&db).map_err(|error| opening(&error, file))?;
    Ok(id)
}

/// A connection that only reads.
pub(crate) fn reader(file: &Path, busy: Duration) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |error: rusqlite::Error| opening(&error, file);
    let db = Connection::open_with_flags(file, flags).map_err(open)?;
    common(&db, busy).map_err(open)?;
    db.pragma_update(None, "query_only", true).map_err(open)?;
    db.pragma_update(None, "cache_size", -8_000).map_err(open)?;
    Ok(db)
}

fn common(db: &Connection, busy: Duration) -> rusqlite::Result<()> {
    db.busy_timeout(busy)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "foreign_keys", false)?;
    filter::functions(db)
}

/// Refuses a database that another program made, or a newer one of ours.
fn ours(db: &Connection, file: &Path) -> Result<()> {
    let open = |error: rusqlite::Error| opening(&error, file);
    let application: i32 = pragma(db, "application_id").map_err(open)?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(open)?;
    if application != APPLICATION && (tables > 0 || application != 0) {
        return Err(not_a_database(file, "it is a database of another program"));
    }
    Ok(())
}

fn settle(db: &Connection) -> rusqlite::Result<()> {
    // FULL: a commit is on the disk when it returns. The WAL is checkpointed by the writer, after it has answered.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    db.pragma_update(None, "cache_size", -32_000)
}

fn migrate(db: &mut Connection, file: &Path) -> Result<()> {
    let open = |error: rusqlite::Error| opening(&error, file);
    let version: usize = pragma(db, "user_version").map_err(open)?;
    if version > MIGRATIONS.len() {
        return Err(Error::Invalid(format!(
            "{} has version {version}, and this program knows versions up to {}; use the newer program",
            file.display(),
            MIGRATIONS.len()
        )));
    }
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = db.transaction().map_err(open)?;
        transaction.execute_batch(sql).map_err(open)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(open)?;
        let next = i64::try_from(at + 1).unwrap_or(i64::MAX);
        transaction
            .pragma_update(None, "user_version", next)
            .map_err(open)?;
        transaction.commit().map_err(open)?;
    }
    Ok(())
}

/// The id of the store: made once, by SQLite's own randomness.
fn identity(db: &Connection, now: Timestamp) -> rusqlite::Result<StoreId> {
    if let Some(id) = stored(db)? {
        return Ok(id);
    }
    let random = db.query_row("SELECT randomblob(10)", [], |row| row.get::<_, [u8; 10]>(0))?;
    let id = StoreId::new(now, random);
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('store', ?1)",
        params![id.as_bytes()],
    )?;
    Ok(id)
}

fn stored(db: &Connection) -> rusqlite::Result<Option<StoreId>> {
    let bytes = db.query_row("SELECT value FROM meta WHERE name = 'store'", [], |row| {
        row.get::<_, [u8; 16]>(0)
    });
    Ok(bytes.optional()?.map(StoreId::from_bytes))
}

fn pragma<T: rusqlite::types::FromSql>(db: &Connection, name: &str) -> rusqlite::Result<T> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

/// The newest cursor that was ever given, whether its row is still there or not.
pub(crate) fn newest(db: &Connection) -> rusqlite::Result<u64> {
    let newest: Option<i64> = db
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'event'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(newest.unwrap_or(0).cast_unsigned())
}
