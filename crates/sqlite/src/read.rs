//! Every question but the list, as SQL. Each runs in one short read transaction.

use crate::cells::Cells;
use crate::error::reading;
use crate::filter::Condition;
use crate::row::{self, Part};
use crate::{list, row::by_number};
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params, params_from_iter};
use warrener_backend::query::{Count, DeadGroup, HeldLease, LogRow};
use warrener_backend::store::{LaneSettings, LogChunk};
use warrener_backend::{Query, Result, Rows};
use warrener_model::agent::{Agent, Who};
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::filter::{Filter, Key};
use warrener_model::id::{ClaimId, TaskId};
use warrener_model::task::Task;
use warrener_model::{Kind, Lane, Timestamp};

/// Answers a question.
pub(crate) fn query(db: &Connection, query: &Query) -> Result<Rows> {
    match query {
        Query::List(list) => list::page(db, list).map(Rows::Tasks),
        Query::CountWhere { filter, now, limit } => {
            count_where(db, filter, *now, *limit).map(Rows::Count)
        }
        Query::DeadGroups { filter, now, limit } => {
            dead_groups(db, filter, *now, *limit).map(Rows::DeadGroups)
        }
        other => plain(db, other).map_err(|e| reading(&e)),
    }
}

/// Tasks by id.
pub(crate) fn tasks(db: &Connection, ids: &[TaskId]) -> rusqlite::Result<Vec<Option<Task>>> {
    ids.iter().map(|id| row::by_id(db, *id)).collect()
}

/// History after a cursor.
pub(crate) fn events(
    db: &Connection,
    after: Cursor,
    task: Option<TaskId>,
    limit: usize,
) -> rusqlite::Result<Vec<TaskEvent>> {
    const COLUMNS: &str =
        "e.n, t.id, e.at, e.kind, e.state, e.attempt, e.epoch, e.agent, e.actor, e.detail";
    let after = after.0.cast_signed();
    let Some(task) = task else {
        // CROSS JOIN keeps history as the outer loop, in its own order.
        let sql = format!(
            "SELECT {COLUMNS} FROM event e CROSS JOIN task t ON t.n = e.task WHERE e.n > ?1 ORDER BY e.n LIMIT ?2"
        );
        return all(db, &sql, params![after, bound(limit)], row::event);
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM task t CROSS JOIN event e ON e.task = t.n \
         WHERE t.id = ?3 AND e.n > ?1 ORDER BY e.n LIMIT ?2"
    );
    let id = task.as_bytes();
    all(db, &sql, params![after, bound(limit), id], row::event)
}

fn plain(db: &Connection, query: &Query) -> rusqlite::Result<Rows> {
    Ok(match query {
        Query::Ready {
            lane,
            except,
            limit,
        } => Rows::Tasks(ready(db, lane, except, *limit)?),
        Query::Held => Rows::Held(held(db)?),
        Query::Due { now, limit } => {
            let sql = "SELECT n FROM task WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2";
            Rows::Tasks(heads(db, sql, params![now.as_millis(), bound(*limit)])?)
        }
        Query::NextDue => {
            let sql = "SELECT min(due_at) FROM task WHERE due_at IS NOT NULL";
            let due = db
                .prepare_cached(sql)?
                .query_row([], |row| Cells::new(row).maybe_time())?;
            Rows::NextDue(due)
        }
        Query::OfferedBefore { before, limit } => {
            let sql = "SELECT n FROM task WHERE state = 'ready' AND offered_at IS NOT NULL \
                       AND offered_at < ?1 ORDER BY offered_at LIMIT ?2";
            Rows::Tasks(heads(db, sql, params![before.as_millis(), bound(*limit)])?)
        }
        Query::Logs {
            task,
            attempt,
            after,
            limit,
        } => Rows::Logs(logs(db, *task, *attempt, *after, *limit)?),
        Query::Agents => Rows::Agents(agents(db)?),
        Query::Lanes => {
            let sql = "SELECT lane, paused, reason, since FROM lane ORDER BY lane";
            Rows::Lanes(all(db, sql, [], lane)?)
        }
        Query::Counts => Rows::Counts(counts(db)?),
        Query::ReadyKinds { lane } => {
            let sql = "SELECT kind, n FROM tally WHERE lane = ?1 AND state = 'ready' AND n > 0 ORDER BY kind";
            let kinds = all(db, sql, [lane.as_str()], |row| {
                let mut cells = Cells::new(row);
                Ok((cells.word()?, cells.next()?))
            })?;
            Rows::ReadyKinds(kinds)
        }
        Query::List(_) | Query::CountWhere { .. } | Query::DeadGroups { .. } => {
            unreachable!("questions with a filter are answered by query()")
        }
    })
}

fn ready(
    db: &Connection,
    lane: &Lane,
    except: &[Kind],
    limit: usize,
) -> rusqlite::Result<Vec<Task>> {
    // The words of the partial index, or SQLite does not use it.
    let from = "SELECT n FROM task WHERE lane = ?1 AND state = 'ready' AND offered_at IS NULL";
    let order = "ORDER BY priority DESC, ready_at, id LIMIT ?2";
    let limit = bound(limit);
    let numbers: Vec<i64> = if except.is_empty() {
        let sql = format!("{from} {order}");
        all(db, &sql, params![lane.as_str(), limit], |row| row.get(0))?
    } else {
        let sql = format!("{from} AND kind NOT IN (SELECT value FROM json_each(?3)) {order}");
        let except = row::json(&except);
        all(db, &sql, params![lane.as_str(), limit, except], |row| {
            row.get(0)
        })?
    };
    numbers
        .into_iter()
        .map(|n| by_number(db, n, Part::Whole))
        .collect()
}

fn held(db: &Connection) -> rusqlite::Result<Vec<HeldLease>> {
    let sql = "SELECT id, claim, lease_agent, lease_instance, epoch, lease_seq, lane FROM task WHERE state = 'running'";
    all(db, sql, [], |row| {
        let mut cells = Cells::new(row);
        Ok(HeldLease {
            task: TaskId::from_bytes(cells.next()?),
            claim: ClaimId::from_bytes(cells.next()?),
            who: Who {
                agent: cells.word()?,
                instance: cells.instance()?,
            },
            epoch: cells.next::<i64>()?.cast_unsigned(),
            lease_seq: cells.next::<i64>()?.cast_unsigned(),
            lane: cells.word()?,
        })
    })
}

fn logs(
    db: &Connection,
    task: TaskId,
    attempt: Option<u32>,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<LogRow>> {
    let Some(number) = row::number(db, task)? else {
        return Ok(vec![]);
    };
    let sql = "SELECT n, attempt, at, stream, text FROM log WHERE task = ?1 AND n > ?2 \
               AND (?3 IS NULL OR attempt = ?3) ORDER BY n LIMIT ?4";
    let after = after.cast_signed();
    all(
        db,
        sql,
        params![number, after, attempt, bound(limit)],
        |row| {
            let mut cells = Cells::new(row);
            Ok(LogRow {
                n: cells.next::<i64>()?.cast_unsigned(),
                chunk: LogChunk {
                    task,
                    attempt: cells.next()?,
                    at: cells.time()?,
                    stream: cells.next()?,
                    text: cells.next()?,
                },
            })
        },
    )
}

fn agents(db: &Connection) -> rusqlite::Result<Vec<Agent>> {
    let sql = "SELECT card, presence, drain, joined_at, seen_at FROM agent ORDER BY id";
    all(db, sql, [], |row| {
        let mut cells = Cells::new(row);
        Ok(Agent {
            card: cells.json()?,
            presence: cells.word()?,
            drain: cells.next()?,
            joined_at: cells.time()?,
            seen_at: cells.time()?,
        })
    })
}

fn lane(row: &Row<'_>) -> rusqlite::Result<LaneSettings> {
    let mut cells = Cells::new(row);
    Ok(LaneSettings {
        lane: cells.word()?,
        paused: cells.next()?,
        reason: cells.next()?,
        since: cells.maybe_time()?,
    })
}

fn counts(db: &Connection) -> rusqlite::Result<Vec<Count>> {
    let sql = "SELECT lane, state, sum(n), iif(state = 'ready', \
               (SELECT min(t.ready_at) FROM task t WHERE t.lane = tally.lane AND t.state = 'ready'), NULL) \
               FROM tally WHERE n > 0 GROUP BY lane, state";
    all(db, sql, [], |row| {
        let mut cells = Cells::new(row);
        Ok(Count {
            lane: cells.word()?,
            state: cells.word()?,
            count: cells.next()?,
            oldest: cells.maybe_time()?,
        })
    })
}

fn count_where(db: &Connection, filter: &Filter, now: Timestamp, limit: u64) -> Result<u64> {
    let mut condition = Condition::of(filter, now)?;
    let tallied = |key: &Key| matches!(key, Key::State | Key::Lane | Key::Kind);
    let sql = if filter.terms.iter().all(|term| tallied(&term.key)) {
        // The tally has the answer, under the same names.
        format!(
            "SELECT min(ifnull(sum(t.n), 0), ?) FROM tally t WHERE {}",
            condition.sql
        )
    } else {
        format!(
            "SELECT count(*) FROM (SELECT 1 FROM task t WHERE {} LIMIT ?)",
            condition.sql
        )
    };
    let limit = Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
    if sql.starts_with("SELECT min") {
        condition.values.insert(0, limit);
    } else {
        condition.values.push(limit);
    }
    one(db, &sql, &condition.values).map_err(|e| reading(&e))
}

fn one(db: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<u64> {
    db.prepare_cached(sql)?
        .query_row(params_from_iter(values), |row| row.get(0))
}

/// A group shares fingerprint, class and kind; what died without an error has the empty fingerprint.
fn dead_groups(
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

fn heads(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<Task>> {
    let numbers: Vec<i64> = all(db, sql, params, |row| row.get(0))?;
    numbers
        .into_iter()
        .map(|n| by_number(db, n, Part::Head))
        .collect()
}

fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
