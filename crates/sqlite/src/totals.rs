//! Questions whose answer is a number or a group: the tally, counts under a filter, dead letters that look alike.

use crate::cells::Cells;
use crate::error::reading;
use crate::filter::Condition;
use crate::read::{all, bound};
use crate::row::{Part, by_number};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use warrener_backend::Result;
use warrener_backend::query::{Count, DeadGroup};
use warrener_model::Timestamp;
use warrener_model::filter::{Filter, Key};

pub(crate) const COUNTS: &str = "SELECT lane, state, sum(n), iif(state = 'ready', \
                      (SELECT min(t.ready_at) FROM task t INDEXED BY task_oldest WHERE t.lane = tally.lane AND t.state = 'ready'), NULL) \
                      FROM tally WHERE n > 0 GROUP BY lane, state";

/// From the tally, with the oldest ready task of each lane.
pub(crate) fn counts(db: &Connection) -> rusqlite::Result<Vec<Count>> {
    all(db, COUNTS, [], |row| {
        let mut cells = Cells::new(row);
        Ok(Count {
            lane: cells.word()?,
            state: cells.word()?,
            count: cells.next()?,
            oldest: cells.maybe_time()?,
        })
    })
}

/// Up to the limit.
pub(crate) fn count_where(
    db: &Connection,
    filter: &Filter,
    now: Timestamp,
    limit: u64,
) -> Result<u64> {
    let mut condition = Condition::of(filter, now)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let tallied = |key: &Key| matches!(key, Key::State | Key::Lane | Key::Kind);
    if filter.terms.iter().all(|term| tallied(&term.key)) {
        // The tally has the answer, under the same names.
        let sql = format!(
            "SELECT ifnull(sum(t.n), 0) FROM tally t WHERE {}",
            condition.sql
        );
        let all = one(db, &sql, &condition.values).map_err(|e| reading(&e))?;
        return Ok(all.min(limit.unsigned_abs()));
    }
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM task t WHERE {} LIMIT ?)",
        condition.sql
    );
    condition.values.push(Value::Integer(limit));
    one(db, &sql, &condition.values).map_err(|e| reading(&e))
}

fn one(db: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<u64> {
    db.prepare_cached(sql)?
        .query_row(params_from_iter(values), |row| row.get(0))
}

/// A group shares fingerprint, class and kind; what died without an error has the empty fingerprint.
pub(crate) fn dead_groups(
    db: &Connection,
    filter: &Filter,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DeadGroup>> {
    let mut condition = Condition::of(filter, now)?;
    condition.and("t.state = 'dead'", []);
    groups(db, &condition, limit).map_err(|e| reading(&e))
}

fn groups(
    db: &Connection,
    condition: &Condition,
    limit: usize,
) -> rusqlite::Result<Vec<DeadGroup>> {
    // The window finds each group's last task in the same pass.
    let sql = format!(
        "SELECT fingerprint, class, kind, count(*), min(at), max(at), max(iif(nth = 1, n, NULL)) AS last FROM ( \
         SELECT t.n, t.fingerprint, t.class, t.kind, t.finished_at AS at, row_number() OVER ( \
         PARTITION BY t.fingerprint, t.class, t.kind ORDER BY t.finished_at DESC, t.id DESC) AS nth \
         FROM task t WHERE {}) GROUP BY fingerprint, class, kind ORDER BY count(*) DESC, last DESC LIMIT ?",
        condition.sql
    );
    let mut values = condition.values.clone();
    values.push(Value::Integer(bound(limit)));
    all(db, &sql, params_from_iter(&values), |row| {
        let mut cells = Cells::new(row);
        let fingerprint: Option<String> = cells.next()?;
        let class = cells.maybe_word()?;
        let kind = cells.word()?;
        let count = cells.next()?;
        let (first, last) = (cells.time()?, cells.time()?);
        let task = by_number(db, cells.next()?, Part::Head)?;
        Ok(DeadGroup {
            fingerprint: fingerprint.unwrap_or_default(),
            count,
            first,
            last,
            sample: task.error,
            class,
            kind,
            task: task.id,
        })
    })
}
