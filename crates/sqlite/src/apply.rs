//! Changes as rows: what each operation does within the transaction of the writer.
//!
//! An operation that is refused leaves its change half done; [`change`] takes it back by a savepoint. An SQL error is
//! not handled here: the writer gives up the whole transaction.

use crate::row::{INSERT, UPDATE, int, json, life_values, task_values};
use crate::{log, notice, refused, schedule, session, state, tally};
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use warrener_backend::session::SessionOp;
use warrener_backend::state::Stated;
use warrener_backend::store::{Accept, Accepted, Ending, Key, LaneSettings, Move, Op};
use warrener_backend::{Change, Committed};
use warrener_model::agent::Agent;
use warrener_model::event::NewEvent;
use warrener_model::id::TaskId;
use warrener_model::name::AgentId;
use warrener_model::task::{Progress, Task};

/// What a transaction has gathered beside its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    /// The newest cursor.
    pub(crate) newest: u64,
    /// How the counts change; written once, before the commit.
    pub(crate) tally: tally::Delta,
    /// Tasks that it accepted; written with the counts.
    pub(crate) accepted: u64,
}

/// Why a change stopped: refused by what is stored, or an error of the database.
enum Stop {
    Refused(Committed),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Stop::Failed(error)
    }
}

/// Does one change, or nothing of it.
pub(crate) fn change(
    db: &Connection,
    change: &Change,
    gathered: &mut Gathered,
) -> rusqlite::Result<Committed> {
    // A single operation checks before it writes, or writes in one statement, so there is nothing to take back.
    let guarded = change.ops.len() > 1;
    let mark = (gathered.newest, gathered.tally.mark(), gathered.accepted);
    if guarded {
        run(db, "SAVEPOINT change")?;
    }
    match operations(db, &change.ops, gathered) {
        Ok((accepted, stated)) => {
            if guarded {
                run(db, "RELEASE change")?;
            }
            Ok(Committed::Done { accepted, stated })
        }
        Err(Stop::Refused(why)) => {
            if guarded {
                run(db, "ROLLBACK TO change")?;
                run(db, "RELEASE change")?;
            }
            gathered.newest = mark.0;
            gathered.tally.back_to(mark.1);
            gathered.accepted = mark.2;
            Ok(why)
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Runs a statement without parameters, prepared once.
pub(crate) fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

fn operations(
    db: &Connection,
    ops: &[Op],
    gathered: &mut Gathered,
) -> Result<(Vec<Accepted>, Vec<Stated>), Stop> {
    let (mut accepted, mut stated) = (vec![], vec![]);
    for op in ops {
        match op {
            Op::Accept(op) => {
                let one = accept(db, op, accepted.len(), gathered)?;
                accepted.push(one);
            }
            Op::Move(op) => transition(db, op, gathered)?,
            Op::Progress {
                task,
                epoch,
                progress,
            } => report(db, *task, *epoch, progress)?,
            Op::Log(chunk) => log::append(db, chunk)?,
            Op::Agent(op) => agent(db, op)?,
            Op::Forget(id) => forget(db, id)?,
            Op::Lane(op) => lane(db, op)?,
            Op::Refused(op) => refused::keep(db, op)?,
            Op::Notice(op) => notice::apply(db, op)?,
            Op::Session(op) if session::write(db, op)? => {}
            Op::Session(_) => return Err(Stop::Refused(Committed::Conflict)),
            Op::Run(op) => {
                if !crate::run::apply(db, op)? {
                    return Err(Stop::Refused(Committed::Conflict));
                }
            }
            Op::State(op) => match state::apply(db, op)? {
                Ok(done) => stated.push(done),
                Err(why) => return Err(Stop::Refused(Committed::Refused(why))),
            },
            Op::Schedule(op) => {
                if !schedule::change(db, op)? {
                    return Err(Stop::Refused(Committed::Conflict));
                }
            }
        }
    }
    Ok((accepted, stated))
}

fn accept(
    db: &Connection,
    op: &Accept,
    index: usize,
    gathered: &mut Gathered,
) -> Result<Accepted, Stop> {
    if let Some(key) = &op.key {
        match holder(db, key)? {
            None => {}
            Some((task, true)) => {
                return Ok(Accepted {
                    task,
                    existing: true,
                });
            }
            Some((task, false)) => return Err(Stop::Refused(Committed::KeyTaken { index, task })),
        }
    }
    let inserted = db
        .prepare_cached(&INSERT)?
        .execute(params_from_iter(task_values(&op.task)))?;
    if inserted == 0 {
        // This id is there already: its row is not at the version before the first.
        return Err(Stop::Refused(Committed::Conflict));
    }
    let n = db.last_insert_rowid();
    rest(db, n, op)?;
    if let Some(one) = &op.session
        && !session::write(db, &SessionOp::Open(one.clone()))?
    {
        return Err(Stop::Refused(Committed::Conflict));
    }
    if let Some(key) = &op.key {
        db.prepare_cached("INSERT INTO key (key, digest, task, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                key.key,
                key.digest,
                op.task.id.as_bytes(),
                op.task.spec.created_at.as_millis()
            ])?;
    }
    gathered.newest = event(db, n, &op.event)?;
    let spec = &op.task.spec;
    let place = (spec.lane.as_str(), op.task.life.state, spec.kind.as_str());
    gathered.tally.add(place, 1);
    gathered.accepted += 1;
    Ok(Accepted {
        task: op.task.id,
        existing: false,
    })
}

/// Who has a key, and whether the request was the same.
fn holder(db: &Connection, key: &Key) -> rusqlite::Result<Option<(TaskId, bool)>> {
    db.prepare_cached("SELECT task, digest FROM key WHERE key = ?1")?
        .query_row([&key.key], |row| {
            let digest: [u8; 32] = row.get(1)?;
            Ok((TaskId::from_bytes(row.get(0)?), digest == key.digest))
        })
        .optional()
}

/// What of a task is not in its own row.
fn rest(db: &Connection, n: i64, op: &Accept) -> rusqlite::Result<()> {
    let Task {
        spec,
        output,
        error,
        progress,
        usage,
        ..
    } = &op.task;
    let labels = (!spec.labels.is_empty()).then(|| json(&spec.labels));
    let retry = (!spec.retry.is_empty()).then(|| json(&spec.retry));
    let timeout = spec
        .timeout
        .map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    db.prepare_cached(
        "INSERT INTO spec (task, title, labels, timeout_ms, retry, step, key, description, input, requester) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        n,
        spec.title,
        labels,
        timeout,
        retry,
        spec.step,
        op.key.as_ref().map(|key| &key.key),
        spec.description,
        spec.input.as_str(),
        spec.requester.as_ref().map(json)
    ])?;
    for (key, value) in &spec.labels {
        db.prepare_cached("INSERT INTO label (key, value, task) VALUES (?1, ?2, ?3)")?
            .execute(params![key, value, n])?;
    }
    if output.is_some() || error.is_some() || progress.is_some() || usage.is_some() {
        let ending = Ending {
            output: output.clone(),
            error: error.clone(),
            usage: usage.clone(),
        };
        left(db, n, &ending)?;
    }
    if let Some(progress) = progress {
        write_progress(db, n, progress)?;
    }
    Ok(())
}

fn transition(db: &Connection, op: &Move, gathered: &mut Gathered) -> Result<(), Stop> {
    let mut statement = db.prepare_cached(
        "SELECT n, lane, state, kind FROM task WHERE id = ?1 AND version = ?2 AND lease_seq = ?3",
    )?;
    let (version, lease_seq) = (op.version.cast_signed(), op.lease_seq.cast_signed());
    let mut rows = statement.query(params![op.task.as_bytes(), version, lease_seq])?;
    let Some(found) = rows.next()? else {
        return Err(Stop::Refused(Committed::Conflict));
    };
    let n: i64 = found.get(0)?;
    if found.get_ref(2)?.as_str().ok() != Some(op.life.state.as_str()) {
        let mut cells = crate::cells::Cells::new(found);
        let (_, lane): (i64, String) = (cells.next()?, cells.next()?);
        let (state, kind): (_, String) = (cells.word()?, cells.next()?);
        gathered.tally.add((&lane, state, &kind), -1);
        gathered.tally.add((&lane, op.life.state, &kind), 1);
    }
    // The read must end before its row is written.
    drop(rows);
    let mut values = vec![int(i64::from(op.event.is_some()))];
    values.extend(life_values(&op.life));
    values.push(ToSqlOutput::Owned(Value::Integer(n)));
    db.prepare_cached(&UPDATE)?
        .execute(params_from_iter(values))?;
    if let Some(ending) = &op.ending {
        let error = ending.error.as_ref();
        db.prepare_cached("UPDATE task SET class = ?2, fingerprint = ?3 WHERE n = ?1")?
            .execute(params![
                n,
                error.map(|e| e.class.as_str()),
                error.map(|e| &e.fingerprint)
            ])?;
        left(db, n, ending)?;
    }
    if let Some(input) = &op.input {
        db.prepare_cached("UPDATE spec SET input = ?2 WHERE task = ?1")?
            .execute(params![n, input.as_str()])?;
    }
    if let Some(row) = &op.event {
        gathered.newest = event(db, n, row)?;
    }
    Ok(())
}

/// What an attempt leaves, in place of what the one before it left.
fn left(db: &Connection, n: i64, ending: &Ending) -> rusqlite::Result<()> {
    let error = ending.error.as_ref();
    let detail = error.and_then(|e| (!e.detail.is_null()).then(|| e.detail.to_string()));
    db.prepare_cached(
        "REPLACE INTO outcome (task, usage, message, detail, output) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        n,
        ending.usage.as_ref().map(json),
        error.map(|e| &e.message),
        detail,
        ending.output.as_ref().map(|output| output.as_str())
    ])?;
    Ok(())
}

fn report(db: &Connection, task: TaskId, epoch: u64, progress: &Progress) -> rusqlite::Result<()> {
    // A run of a fast lane may have no lease yet: its task is still the offer.
    let sql = "SELECT n FROM task WHERE id = ?1 AND epoch = ?2 \
         AND (state = 'running' OR (state = 'ready' AND offered_at IS NOT NULL AND start = 'fast'))";
    let running = db
        .prepare_cached(sql)?
        .query_row(params![task.as_bytes(), epoch.cast_signed()], |row| {
            row.get(0)
        })
        .optional()?;
    match running {
        Some(n) => write_progress(db, n, progress),
        None => Ok(()),
    }
}

fn write_progress(db: &Connection, n: i64, progress: &Progress) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO outcome (task, progress) VALUES (?1, ?2) \
         ON CONFLICT (task) DO UPDATE SET progress = excluded.progress",
    )?
    .execute(params![n, json(progress)])?;
    Ok(())
}

fn event(db: &Connection, n: i64, row: &NewEvent) -> rusqlite::Result<u64> {
    db.prepare_cached(
        "INSERT INTO event (task, at, kind, state, attempt, epoch, agent, actor, detail) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        n,
        row.at.as_millis(),
        row.kind.as_str(),
        row.state.as_str(),
        row.attempt,
        row.epoch.cast_signed(),
        row.agent.as_ref().map(|agent| agent.as_str()),
        row.actor,
        (!row.detail.is_null()).then(|| row.detail.to_string())
    ])?;
    Ok(db.last_insert_rowid().cast_unsigned())
}

fn agent(db: &Connection, agent: &Agent) -> rusqlite::Result<()> {
    db.prepare_cached("REPLACE INTO agent (id, card, presence, drain, joined_at, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            agent.card.who.agent_id.as_str(),
            json(&agent.card),
            agent.presence.as_str(),
            agent.drain,
            agent.joined_at.as_millis(),
            agent.seen_at.as_millis()
        ])?;
    Ok(())
}

fn forget(db: &Connection, id: &AgentId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM agent WHERE id = ?1")?
        .execute(params![id.as_str()])?;
    Ok(())
}

fn lane(db: &Connection, settings: &LaneSettings) -> rusqlite::Result<()> {
    db.prepare_cached("REPLACE INTO lane (lane, paused, reason, since) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            settings.lane.as_str(),
            settings.paused,
            settings.reason,
            settings.since.map(|at| at.as_millis())
        ])?;
    Ok(())
}
