//! Sessions as rows.

use crate::cells::Cells;
use crate::read::{all, bound};
use crate::row::json;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use warrener_backend::Rows;
use warrener_backend::session::{SessionOp, SessionQuery};
use warrener_model::Timestamp;
use warrener_model::session::{Session, SessionState};

/// Sessions that one step of a purge forgets.
const STEP: usize = 100;

/// Writes one; `false` when what is there has another version.
pub(crate) fn write(db: &Connection, op: &SessionOp) -> rusqlite::Result<bool> {
    let (session, sql) = match op {
        SessionOp::Open(session) => (
            session,
            "INSERT INTO session (id, version, state, due_at, closed_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO NOTHING",
        ),
        SessionOp::Move(session) => (
            session,
            "UPDATE session SET version = ?2, state = ?3, due_at = ?4, closed_at = ?5, body = ?6 \
             WHERE id = ?1 AND version = ?2 - 1",
        ),
    };
    let written = db.prepare_cached(sql)?.execute(params![
        session.id.as_bytes(),
        session.version.cast_signed(),
        session.state.as_str(),
        session.due_at().map(Timestamp::as_millis),
        session.closed_at.map(Timestamp::as_millis),
        json(session)
    ])?;
    Ok(written == 1)
}

/// Answers a question.
pub(crate) fn query(db: &Connection, query: &SessionQuery) -> rusqlite::Result<Rows> {
    let rows = match query {
        SessionQuery::Get(id) => {
            let sql = "SELECT body FROM session WHERE id = ?1";
            let found = db.prepare_cached(sql)?.query_row([id.as_bytes()], session);
            found.optional()?.into_iter().collect()
        }
        SessionQuery::Due { now, limit } => {
            let sql = "SELECT body FROM session INDEXED BY session_due WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2";
            all(db, sql, params![now.as_millis(), bound(*limit)], session)?
        }
        SessionQuery::NextDue => {
            let sql =
                "SELECT min(due_at) FROM session INDEXED BY session_due WHERE due_at IS NOT NULL";
            let next = |row: &Row<'_>| Cells::new(row).maybe_time();
            return Ok(Rows::NextDue(db.prepare_cached(sql)?.query_row([], next)?));
        }
        SessionQuery::CountOpen => {
            let sql = "SELECT count(*) FROM session WHERE state = ?1";
            let open = SessionState::Open.as_str();
            let open: i64 = db
                .prepare_cached(sql)?
                .query_row([open], |row| row.get(0))?;
            return Ok(Rows::Count(open.unsigned_abs()));
        }
        SessionQuery::List {
            state,
            before,
            limit,
        } => {
            let before = before.map_or([0xff; 16], |id| *id.as_bytes());
            let limit = bound(*limit);
            match state {
                Some(state) => {
                    let sql = "SELECT body FROM session WHERE state = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
                    all(db, sql, params![state.as_str(), before, limit], session)?
                }
                None => {
                    let sql = "SELECT body FROM session WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
                    all(db, sql, params![before, limit], session)?
                }
            }
        }
    };
    Ok(Rows::Sessions(rows))
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Cells::new(row).json()
}

/// Forgets some of those that ended before this.
pub(crate) fn forget(db: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    let sql = "DELETE FROM session WHERE id IN (SELECT id FROM session INDEXED BY session_closed \
               WHERE closed_at < ?1 ORDER BY closed_at LIMIT ?2)";
    db.prepare_cached(sql)?
        .execute(params![before.as_millis(), bound(STEP)])?;
    Ok(())
}
