//! Runs of workflows: their rows and those of their steps.

use crate::cells::Cells;
use crate::read::{all, bound};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use warrener_backend::run::{Child, Parted, RunOp, RunQuery, RunRows, Tally, Waiting};
use warrener_model::id::{RunId, TaskId};
use warrener_model::json::Json;
use warrener_model::run::{Run, RunHead, RunSpec, StepRow};
use warrener_model::{Kind, Timestamp};

const HEAD: &str =
    "r.id, r.version, r.state, r.active, r.failures, r.cancel, r.error, r.finished_at";
const STEP: &str = "n, id, state, needs, total, done, failed, error, value";
/// States of tasks that are over.
const OVER: &str = "('succeeded', 'failed', 'dead', 'cancelled', 'expired')";

/// Does one; `false` if what it expects is not so, and then nothing must be kept of its change.
pub(crate) fn apply(db: &Connection, op: &RunOp) -> rusqlite::Result<bool> {
    match op {
        RunOp::Insert(run, steps) => insert(db, run, steps),
        RunOp::Save(head) => save(db, head),
        RunOp::Step(run, step) => write(db, *run, step).map(|()| true),
        RunOp::Count(tally) => count(db, tally),
        RunOp::Children { run, step, tasks } => {
            let sql = "INSERT INTO child (run, step, item, task) VALUES (?1, ?2, ?3, ?4)";
            let mut insert = db.prepare_cached(sql)?;
            for (item, task) in (0_i64..).zip(tasks) {
                insert.execute(params![run.as_bytes(), step, item, task.as_bytes()])?;
            }
            Ok(true)
        }
    }
}

fn insert(db: &Connection, run: &Run, steps: &[StepRow]) -> rusqlite::Result<bool> {
    let Run { spec, head } = run;
    let sql = "INSERT OR IGNORE INTO run (id, name, created_at, version, state, active, failures, cancel, error, \
               finished_at, output, parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let inserted = db.prepare_cached(sql)?.execute(params![
        spec.id.as_bytes(),
        spec.name.as_str(),
        spec.created_at.as_millis(),
        head.version.cast_signed(),
        head.state.as_str(),
        head.active,
        head.failures,
        head.cancel,
        head.error,
        head.finished_at.map(Timestamp::as_millis),
        head.output.as_ref().map(Json::as_str),
        spec.parent.as_ref().map(TaskId::as_bytes),
    ])?;
    if inserted == 0 {
        return Ok(false);
    }
    let n = db.last_insert_rowid();
    db.prepare_cached("INSERT INTO run_spec (run, digest, inputs, file) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![n, spec.digest, spec.inputs.as_str(), spec.file])?;
    for step in steps {
        write(db, spec.id, step)?;
    }
    Ok(true)
}

fn save(db: &Connection, head: &RunHead) -> rusqlite::Result<bool> {
    let sql = "UPDATE run SET version = ?2, state = ?3, active = ?4, failures = ?5, cancel = ?6, error = ?7, \
               finished_at = ?8, output = ?9 WHERE id = ?1 AND version = ?2 - 1";
    let written = db.prepare_cached(sql)?.execute(params![
        head.id.as_bytes(),
        head.version.cast_signed(),
        head.state.as_str(),
        head.active,
        head.failures,
        head.cancel,
        head.error,
        head.finished_at.map(Timestamp::as_millis),
        head.output.as_ref().map(Json::as_str),
    ])?;
    Ok(written == 1)
}

fn write(db: &Connection, run: RunId, step: &StepRow) -> rusqlite::Result<()> {
    // Tasks that end count by themselves, without a look at the run: their counts are not written over.
    let sql = "INSERT INTO step (run, n, id, state, needs, total, done, failed, error, value) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (run, n) DO UPDATE SET \
               state = excluded.state, needs = excluded.needs, total = excluded.total, error = excluded.error, \
               value = excluded.value";
    db.prepare_cached(sql)?.execute(params![
        run.as_bytes(),
        step.n,
        step.id,
        step.state.as_str(),
        step.left,
        step.total,
        step.done,
        step.failed,
        step.error,
        step.value.as_ref().map(Json::as_str),
    ])?;
    Ok(())
}

fn count(db: &Connection, tally: &Tally) -> rusqlite::Result<bool> {
    let sql = "UPDATE step SET done = done + ?3, failed = failed + ?4 WHERE run = ?1 AND n = ?2 \
               AND (done = total) = ?5 AND (done + ?3 = total) = (?6 IS NOT NULL) AND failed + ?4 = ifnull(?6, failed + ?4)";
    let written = db.prepare_cached(sql)?.execute(params![
        tally.run.as_bytes(),
        tally.step,
        tally.done,
        tally.failed,
        tally.over,
        tally.last,
    ])?;
    Ok(written == 1)
}

/// Answers a question.
pub(crate) fn query(db: &Connection, query: &RunQuery) -> rusqlite::Result<RunRows> {
    Ok(match query {
        RunQuery::Whole(id) => RunRows::Whole(whole(db, *id)?.map(Box::new)),
        RunQuery::Part(id, steps) => RunRows::Part(part(db, *id, steps)?.map(Box::new)),
        RunQuery::List {
            states,
            before,
            limit,
        } => {
            let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
            let words = serde_json::to_string(&words).unwrap_or_default();
            let (at, id) = before.map_or((i64::MAX, [0xff; 16]), |(at, id)| {
                (at.as_millis(), *id.as_bytes())
            });
            let sql = format!(
                "SELECT {HEAD}, NULL, r.name, r.created_at, r.parent, '{{}}', x'', '' FROM run r WHERE (r.created_at, r.id) < (?1, ?2) \
                 AND (?3 = '[]' OR r.state IN (SELECT value FROM json_each(?3))) \
                 ORDER BY r.created_at DESC, r.id DESC LIMIT ?4"
            );
            RunRows::List(all(db, &sql, params![at, id, words, bound(*limit)], run)?)
        }
        RunQuery::Children { run, step, outputs } => {
            let output = if *outputs { "o.output" } else { "NULL" };
            let sql = format!(
                "SELECT c.task, ifnull(t.state, 'cancelled'), {output}, o.message FROM child c \
                 LEFT JOIN task t ON t.id = c.task LEFT JOIN outcome o ON o.task = t.n \
                 WHERE c.run = ?1 AND c.step = ?2 ORDER BY c.item"
            );
            RunRows::Children(all(db, &sql, params![run.as_bytes(), step], child)?)
        }
        RunQuery::OutputBytes(id, step) => {
            let sql = "SELECT ifnull(sum(octet_length(o.output)), 0) FROM child c \
                       CROSS JOIN task t ON t.id = c.task CROSS JOIN outcome o ON o.task = t.n \
                       WHERE c.run = ?1 AND c.step = ?2";
            let bytes: i64 = db
                .prepare_cached(sql)?
                .query_row(params![id.as_bytes(), step], |row| row.get(0))?;
            RunRows::Bytes(bytes.cast_unsigned())
        }
        RunQuery::Open { run, limit } => {
            let sql = format!(
                "SELECT id FROM task INDEXED BY task_run WHERE run = ?1 AND state NOT IN {OVER} LIMIT ?2"
            );
            let id = |row: &Row<'_>| row.get(0).map(TaskId::from_bytes);
            RunRows::Open(all(db, &sql, params![run.to_string(), bound(*limit)], id)?)
        }
        RunQuery::Cancelling => {
            let sql = format!(
                "SELECT {HEAD}, r.output FROM run r INDEXED BY run_open WHERE r.state = 'running' AND r.cancel IS NOT NULL"
            );
            RunRows::Cancelling(all(db, &sql, [], |row| head(&mut Cells::new(row)))?)
        }
        RunQuery::Parted { limit } => {
            // Of runs that go on there are few beside all that ever were, and of tasks that wait for parts, too.
            let sql = format!(
                "SELECT {HEAD}, r.output, t.id, t.state, t.epoch FROM task t INDEXED BY task_parted \
                 CROSS JOIN run r INDEXED BY run_parent ON r.parent = t.id WHERE t.state = 'blocked' AND r.state <> 'running' \
                 UNION ALL \
                 SELECT {HEAD}, r.output, t.id, t.state, t.epoch FROM run r INDEXED BY run_open \
                 CROSS JOIN task t ON t.id = r.parent \
                 WHERE r.state = 'running' AND r.cancel IS NULL AND r.parent IS NOT NULL AND t.state IN {OVER} LIMIT ?1"
            );
            RunRows::Parted(all(db, &sql, [bound(*limit)], parted)?)
        }
        RunQuery::Parked(id) => {
            let sql = format!(
                "SELECT count(*), ifnull(sum(state = 'parked'), 0) FROM task INDEXED BY task_run \
                 WHERE run = ?1 AND state NOT IN {OVER}"
            );
            let (open, parked): (i64, i64) = db
                .prepare_cached(&sql)?
                .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            RunRows::Parked(Waiting {
                open: open.cast_unsigned(),
                parked: parked.cast_unsigned(),
            })
        }
    })
}

fn whole(db: &Connection, id: RunId) -> rusqlite::Result<Option<(Run, Vec<StepRow>)>> {
    let sql = format!(
        "SELECT {HEAD}, r.output, r.name, r.created_at, r.parent, s.inputs, s.digest, s.file FROM run r \
         JOIN run_spec s ON s.run = r.n WHERE r.id = ?1"
    );
    let found = db.prepare_cached(&sql)?.query_row([id.as_bytes()], run);
    let Some(run) = found.optional()? else {
        return Ok(None);
    };
    let sql = format!("SELECT {STEP} FROM step WHERE run = ?1 ORDER BY n");
    Ok(Some((run, all(db, &sql, [id.as_bytes()], step)?)))
}

fn part(
    db: &Connection,
    id: RunId,
    steps: &[u32],
) -> rusqlite::Result<Option<(RunHead, Vec<StepRow>)>> {
    let sql = format!("SELECT {HEAD}, r.output FROM run r WHERE r.id = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([id.as_bytes()], |row| head(&mut Cells::new(row)));
    let Some(head) = found.optional()? else {
        return Ok(None);
    };
    let sql = format!("SELECT {STEP} FROM step WHERE run = ?1 AND n = ?2");
    let mut one = db.prepare_cached(&sql)?;
    let rows = steps
        .iter()
        .map(|n| one.query_row(params![id.as_bytes(), n], step));
    Ok(Some((head, rows.collect::<rusqlite::Result<_>>()?)))
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let mut cells = Cells::new(row);
    let head = head(&mut cells)?;
    let name: Kind = cells.word()?;
    let created_at = cells.time()?;
    let parent: Option<[u8; 16]> = cells.next()?;
    let inputs = cells.raw()?.unwrap_or_else(Json::null);
    let digest: Vec<u8> = cells.next()?;
    Ok(Run {
        spec: RunSpec {
            id: head.id,
            name,
            file: cells.next()?,
            inputs,
            digest: digest.try_into().unwrap_or_default(),
            parent: parent.map(TaskId::from_bytes),
            created_at,
        },
        head,
    })
}

fn head(cells: &mut Cells<'_>) -> rusqlite::Result<RunHead> {
    Ok(RunHead {
        id: RunId::from_bytes(cells.next()?),
        version: cells.next::<i64>()?.cast_unsigned(),
        state: cells.word()?,
        active: cells.next()?,
        failures: cells.next()?,
        cancel: cells.next()?,
        error: cells.next()?,
        finished_at: cells.maybe_time()?,
        output: cells.raw()?,
    })
}

fn step(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    let mut cells = Cells::new(row);
    Ok(StepRow {
        n: cells.next()?,
        id: cells.next()?,
        state: cells.word()?,
        left: cells.next()?,
        total: cells.next()?,
        done: cells.next()?,
        failed: cells.next()?,
        error: cells.next()?,
        value: cells.raw()?,
    })
}

fn parted(row: &Row<'_>) -> rusqlite::Result<Parted> {
    let mut cells = Cells::new(row);
    Ok(Parted {
        run: head(&mut cells)?,
        task: TaskId::from_bytes(cells.next()?),
        state: cells.word()?,
        epoch: cells.next::<i64>()?.cast_unsigned(),
    })
}

fn child(row: &Row<'_>) -> rusqlite::Result<Child> {
    let mut cells = Cells::new(row);
    Ok(Child {
        task: TaskId::from_bytes(cells.next()?),
        state: cells.word()?,
        output: cells.raw()?,
        error: cells.next()?,
    })
}
