//! What is asked about shared state.

use crate::cells::Cells;
use crate::read::{all, bound};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use warrener_backend::state::{StatePage, StateQuery, StateRows};
use warrener_model::event::Cursor;
use warrener_model::name::{Space, StateKey};
use warrener_model::state::Version;

const VERSION: &str =
    "v.n, v.space, v.key, v.version, v.at, v.cause, v.actor, v.value, v.expires_at";
/// Keys of heads, or of versions, that begin with ?2: all letters of a key come before `{`.
const HEADS: &str = "h.key >= ?2 AND h.key < ?2 || '{'";
const VERSIONS: &str = "v.key >= ?2 AND v.key < ?2 || '{'";

/// Answers a question.
pub(crate) fn query(db: &Connection, query: &StateQuery) -> rusqlite::Result<StateRows> {
    Ok(match query {
        StateQuery::Get(space, key) => StateRows::One(get(db, space, key)?.map(Box::new)),
        StateQuery::List {
            space,
            prefix,
            after,
            then,
            limit,
        } => {
            let after = after.as_ref().map_or("", StateKey::as_str);
            let at = newest(db)?;
            let at = then.map_or(at, |then| then.min(at));
            let limit = bound(*limit);
            let items = match then {
                None => {
                    let sql = format!(
                        "SELECT {VERSION} FROM state_head h CROSS JOIN state_version v ON v.n = h.n \
                         WHERE h.space = ?1 AND {HEADS} AND h.key > ?3 AND h.live = 1 ORDER BY h.key LIMIT ?4"
                    );
                    let key = params![space.as_str(), prefix, after, limit];
                    all(db, &sql, key, version)?
                }
                Some(then) => {
                    let sql = format!(
                        "SELECT {VERSION} FROM state_head h CROSS JOIN state_version v ON v.n = \
                         (SELECT max(n) FROM state_version INDEXED BY state_key \
                         WHERE space = h.space AND key = h.key AND n <= ?5) \
                         WHERE h.space = ?1 AND {HEADS} AND h.key > ?3 AND v.value IS NOT NULL \
                         ORDER BY h.key LIMIT ?4"
                    );
                    let then = then.0.cast_signed();
                    let key = params![space.as_str(), prefix, after, limit, then];
                    all(db, &sql, key, version)?
                }
            };
            page(db, items, at)?
        }
        StateQuery::History {
            space,
            key,
            before,
            limit,
        } => {
            let sql = format!(
                "SELECT {VERSION} FROM state_version v INDEXED BY state_key \
                 WHERE v.space = ?1 AND v.key = ?2 AND v.n < ?3 ORDER BY v.n DESC LIMIT ?4"
            );
            let before = before.map_or(i64::MAX, |before| before.0.cast_signed());
            let key = params![space.as_str(), key.as_str(), before, bound(*limit)];
            page(db, all(db, &sql, key, version)?, newest(db)?)?
        }
        StateQuery::Changes {
            space,
            prefix,
            after,
            limit,
        } => changes(db, space.as_ref(), prefix, *after, *limit)?,
        StateQuery::Lock(space, name) => StateRows::Lock(super::lock_of(db, space, name)?),
        StateQuery::NextOver => {
            let sql = "SELECT min(expires_at) FROM state_head INDEXED BY state_over \
                       WHERE expires_at IS NOT NULL";
            let mut next = db.prepare_cached(sql)?;
            StateRows::NextOver(next.query_row([], |row| Cells::new(row).maybe_time())?)
        }
    })
}

fn get(db: &Connection, space: &Space, key: &StateKey) -> rusqlite::Result<Option<Version>> {
    let sql = format!(
        "SELECT {VERSION} FROM state_head h CROSS JOIN state_version v ON v.n = h.n \
         WHERE h.space = ?1 AND h.key = ?2 AND h.live = 1"
    );
    db.prepare_cached(&sql)?
        .query_row([space.as_str(), key.as_str()], version)
        .optional()
}

fn changes(
    db: &Connection,
    space: Option<&Space>,
    prefix: &str,
    after: Cursor,
    limit: usize,
) -> rusqlite::Result<StateRows> {
    let newest = newest(db)?;
    let (after, bounded) = (after.0.cast_signed(), bound(limit));
    let items: Vec<Version> = match space {
        Some(space) => {
            let sql = format!(
                "SELECT {VERSION} FROM state_version v INDEXED BY state_space WHERE v.space = ?1 AND {VERSIONS} \
                 AND v.n > ?3 ORDER BY v.n LIMIT ?4"
            );
            all(
                db,
                &sql,
                params![space.as_str(), prefix, after, bounded],
                version,
            )?
        }
        None => {
            let sql = format!(
                "SELECT {VERSION} FROM state_version v WHERE v.n > ?1 AND {VERSIONS} ORDER BY v.n LIMIT ?3"
            );
            all(db, &sql, params![after, prefix, bounded], version)?
        }
    };
    // A page that is not full has everything up to the newest, whatever of it is of another space or name.
    let at = match items.last() {
        Some(last) if items.len() >= limit => last.cursor,
        _ => newest,
    };
    page(db, items, at)
}

fn page(db: &Connection, items: Vec<Version>, at: Cursor) -> rusqlite::Result<StateRows> {
    Ok(StateRows::Page(StatePage {
        items,
        at,
        forgotten: forgotten(db)?,
    }))
}

/// The newest cursor that was ever given.
pub(crate) fn newest(db: &Connection) -> rusqlite::Result<Cursor> {
    let mut newest =
        db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'state_version'")?;
    let found = newest
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(Cursor(found.unwrap_or(0).cast_unsigned()))
}

/// Changes up to this one may be forgotten.
pub(crate) fn forgotten(db: &Connection) -> rusqlite::Result<Cursor> {
    let mut mark = db.prepare_cached("SELECT forgotten FROM state_mark")?;
    let mark: i64 = mark.query_row([], |row| row.get(0))?;
    Ok(Cursor(mark.cast_unsigned()))
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let mut cells = Cells::new(row);
    Ok(Version {
        cursor: Cursor(cells.next::<i64>()?.cast_unsigned()),
        space: cells.word()?,
        key: cells.word()?,
        version: cells.next::<i64>()?.cast_unsigned(),
        at: cells.time()?,
        cause: cells.word()?,
        actor: cells.next()?,
        value: cells.raw()?,
        expires_at: cells.maybe_time()?,
    })
}
