//! Every question but the list, as SQL. Each runs in one short read transaction.

use crate::cells::Cells;
use crate::error::reading;
use crate::readers::Reach;
use crate::row::{self, Part, by_number};
use crate::{ledger, list, notice, refused, run, schedule, session, state, totals};
use rusqlite::{Connection, Params, Row, params};
use warrener_backend::query::{HeldLease, LogRow};
use warrener_backend::store::{LaneSettings, LogChunk};
use warrener_backend::{Query, Result, Rows};
use warrener_model::agent::{Agent, Who};
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::id::{ClaimId, TaskId};
use warrener_model::task::Task;
use warrener_model::{Kind, Lane};

// Each names its index: without statistics SQLite sometimes guesses another one, and then reads every ready task.
pub(crate) const DUE: &str =
    "SELECT n FROM task INDEXED BY task_due WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2";
pub(crate) const NEXT_DUE: &str =
    "SELECT min(due_at) FROM task INDEXED BY task_due WHERE due_at IS NOT NULL";
pub(crate) const OFFERED: &str = "SELECT n FROM task INDEXED BY task_offered WHERE state = 'ready' AND offered_at IS NOT NULL \
                       AND offered_at < ?1 ORDER BY offered_at LIMIT ?2";
pub(crate) const OFFERS_OUT: &str = "SELECT count(*) FROM task INDEXED BY task_out WHERE lane = ?1 AND state = 'ready' \
                          AND offered_at IS NOT NULL";
pub(crate) const READY: &str = "SELECT n FROM task INDEXED BY task_next WHERE lane = ?1 AND state = 'ready' AND offered_at IS NULL \
                     ORDER BY priority DESC, ready_at, id LIMIT ?2";
pub(crate) const READY_EXCEPT: &str = "SELECT n FROM task INDEXED BY task_next WHERE lane = ?1 AND state = 'ready' AND offered_at IS NULL \
                            AND kind NOT IN (SELECT value FROM json_each(?3)) \
                            ORDER BY priority DESC, ready_at, id LIMIT ?2";
pub(crate) const HELD: &str = "SELECT id, claim, lease_agent, lease_instance, epoch, lease_seq, lane \
                    FROM task INDEXED BY task_running WHERE state = 'running'";
pub(crate) const LOGS: &str = "SELECT n, attempt, at, stream, text FROM log WHERE task = ?1 AND n > ?2 \
                    AND (?3 IS NULL OR attempt = ?3) ORDER BY n LIMIT ?4";
// CROSS JOIN keeps the left table as the outer loop, in its own order.
pub(crate) const EVENTS: &str = "SELECT e.n, t.id, e.at, e.kind, e.state, e.attempt, e.epoch, e.agent, e.actor, e.detail \
                      FROM event e CROSS JOIN task t ON t.n = e.task WHERE e.n > ?1 ORDER BY e.n LIMIT ?2";
pub(crate) const EVENTS_OF: &str = "SELECT e.n, t.id, e.at, e.kind, e.state, e.attempt, e.epoch, e.agent, e.actor, e.detail \
                         FROM task t CROSS JOIN event e ON e.task = t.n \
                         WHERE t.id = ?3 AND e.n > ?1 ORDER BY e.n LIMIT ?2";

/// How far a question may have to look.
pub(crate) fn reach(query: &Query) -> Reach {
    match query {
        Query::List(_) | Query::CountWhere { .. } | Query::DeadGroups { .. } | Query::Ledger => {
            Reach::Scan
        }
        Query::Ready { .. }
        | Query::Held
        | Query::Due { .. }
        | Query::NextDue
        | Query::OfferedBefore { .. }
        | Query::OffersOut { .. }
        | Query::Logs { .. }
        | Query::Agents
        | Query::Lanes
        | Query::Counts
        | Query::Refused { .. }
        | Query::Session(_)
        | Query::Notices(_)
        | Query::Requesters { .. }
        | Query::Run(_)
        | Query::State(_)
        | Query::Schedule(_)
        | Query::ReadyKinds { .. } => Reach::Point,
    }
}

/// Answers a question.
pub(crate) fn query(db: &Connection, query: &Query) -> Result<Rows> {
    match query {
        Query::List(list) => list::page(db, list).map(Rows::Tasks),
        Query::CountWhere { filter, now, limit } => {
            totals::count_where(db, filter, *now, *limit).map(Rows::Count)
        }
        Query::DeadGroups { filter, now, limit } => {
            totals::dead_groups(db, filter, *now, *limit).map(Rows::DeadGroups)
        }
        Query::Ledger => ledger::read(db).map(Rows::Ledger).map_err(|e| reading(&e)),
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
    let after = after.0.cast_signed();
    match task {
        None => all(db, EVENTS, params![after, bound(limit)], row::event),
        Some(task) => {
            let id = task.as_bytes();
            all(db, EVENTS_OF, params![after, bound(limit), id], row::event)
        }
    }
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
            Rows::Tasks(heads(db, DUE, params![now.as_millis(), bound(*limit)])?)
        }
        Query::NextDue => {
            let due = db
                .prepare_cached(NEXT_DUE)?
                .query_row([], |row| Cells::new(row).maybe_time())?;
            Rows::NextDue(due)
        }
        Query::OfferedBefore { before, limit } => Rows::Tasks(heads(
            db,
            OFFERED,
            params![before.as_millis(), bound(*limit)],
        )?),
        Query::OffersOut { lane } => {
            let mut count = db.prepare_cached(OFFERS_OUT)?;
            let out: i64 = count.query_row([lane.as_str()], |row| row.get(0))?;
            Rows::Count(out.cast_unsigned())
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
        Query::Counts => Rows::Counts(totals::counts(db)?),
        Query::ReadyKinds { lane } => {
            let sql = "SELECT kind, n FROM tally WHERE lane = ?1 AND state = 'ready' AND n > 0 ORDER BY kind";
            let kinds = all(db, sql, [lane.as_str()], |row| {
                let mut cells = Cells::new(row);
                Ok((cells.word()?, cells.next()?))
            })?;
            Rows::ReadyKinds(kinds)
        }
        Query::Refused {
            before,
            limit,
            bodies,
        } => Rows::Refused(refused::page(db, *before, *limit, *bodies)?),
        Query::Session(query) => session::query(db, query)?,
        Query::Notices(query) => Rows::Notices(notice::of(db, query)?),
        Query::Requesters { limit } => Rows::Requesters(notice::requesters(db, *limit)?),
        Query::Run(query) => Rows::Run(run::query(db, query)?),
        Query::State(query) => Rows::State(state::query(db, query)?),
        Query::Schedule(query) => schedule::query(db, query)?,
        Query::List(_) | Query::CountWhere { .. } | Query::DeadGroups { .. } | Query::Ledger => {
            unreachable!("scans are answered by query()")
        }
    })
}

fn ready(
    db: &Connection,
    lane: &Lane,
    except: &[Kind],
    limit: usize,
) -> rusqlite::Result<Vec<Task>> {
    let (lane, limit) = (lane.as_str(), bound(limit));
    let numbers: Vec<i64> = if except.is_empty() {
        all(db, READY, params![lane, limit], |row| row.get(0))?
    } else {
        let except = row::json(&except);
        let params = params![lane, limit, except];
        all(db, READY_EXCEPT, params, |row| row.get(0))?
    };
    numbers
        .into_iter()
        .map(|n| by_number(db, n, Part::Whole))
        .collect()
}

fn held(db: &Connection) -> rusqlite::Result<Vec<HeldLease>> {
    all(db, HELD, [], |row| {
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
    let after = after.cast_signed();
    all(
        db,
        LOGS,
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

fn heads(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<Task>> {
    let numbers: Vec<i64> = all(db, sql, params, |row| row.get(0))?;
    numbers
        .into_iter()
        .map(|n| by_number(db, n, Part::Head))
        .collect()
}

/// Every row, read.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// A limit, for SQL.
pub(crate) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
