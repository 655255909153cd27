//! Notices as rows.

use crate::cells::Cells;
use crate::read::{all, bound};
use rusqlite::{Connection, params};
use warrener_backend::notice::{Notice, NoticeOp, NoticeQuery};
use warrener_model::TaskId;
use warrener_model::name::AgentId;

/// Writes one, or takes it away.
pub(crate) fn apply(db: &Connection, op: &NoticeOp) -> rusqlite::Result<()> {
    let (one, sql) = match op {
        NoticeOp::Add(one) => (
            one,
            "INSERT INTO notice (agent, task, version) VALUES (?1, ?2, ?3) \
             ON CONFLICT (agent, task) DO UPDATE SET version = excluded.version",
        ),
        NoticeOp::Heard(one) => (
            one,
            "DELETE FROM notice WHERE agent = ?1 AND task = ?2 AND version <= ?3",
        ),
    };
    let version = one.version.cast_signed();
    db.prepare_cached(sql)?
        .execute(params![one.agent.as_str(), one.task.as_bytes(), version])?;
    Ok(())
}

/// Those of an agent.
pub(crate) fn of(db: &Connection, query: &NoticeQuery) -> rusqlite::Result<Vec<Notice>> {
    let sql = "SELECT agent, task, version FROM notice WHERE agent = ?1 ORDER BY task LIMIT ?2";
    all(
        db,
        sql,
        params![query.agent.as_str(), bound(query.limit)],
        |row| {
            let mut cells = Cells::new(row);
            Ok(Notice {
                agent: cells.word()?,
                task: TaskId::from_bytes(cells.next()?),
                version: cells.next::<i64>()?.cast_unsigned(),
            })
        },
    )
}

/// Whose there are. Looks only at the first of each.
pub(crate) fn requesters(db: &Connection, limit: usize) -> rusqlite::Result<Vec<AgentId>> {
    let sql = "WITH RECURSIVE told (agent) AS (SELECT min(agent) FROM notice UNION ALL \
               SELECT (SELECT min(n.agent) FROM notice n WHERE n.agent > told.agent) FROM told WHERE told.agent IS NOT NULL) \
               SELECT agent FROM told WHERE agent IS NOT NULL LIMIT ?1";
    all(db, sql, params![bound(limit)], |row| Cells::new(row).word())
}
