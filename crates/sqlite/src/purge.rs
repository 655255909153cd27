//! Forgetting old tasks, a few at a time, so that nobody waits long behind it.

use crate::{ledger, tally};
use rusqlite::{Connection, params};
use warrener_backend::store::Purge;
use warrener_model::State;

/// Tasks and keys that one transaction forgets.
pub(crate) const STEP: usize = 100;

/// What belongs to a run stays while the run goes on, or can: as long as a dead letter of it may be tried again.
pub(crate) const OLD: &str = "SELECT n, lane, kind FROM task INDEXED BY task_over \
                              WHERE state = ?1 AND finished_at < ?2 AND (run IS NULL OR NOT EXISTS \
                              (SELECT 1 FROM run r WHERE r.state = 'running' AND r.id = unhex(replace(task.run, '-', '')))) \
                              AND (run IS NULL OR NOT EXISTS (SELECT 1 FROM task d INDEXED BY task_dead_run \
                              WHERE d.run = task.run AND d.state = 'dead' AND d.finished_at >= ?4)) \
                              ORDER BY finished_at LIMIT ?3";

const OLD_RUNS: &str = "SELECT n, id FROM run INDEXED BY run_finished WHERE finished_at < ?1 AND NOT EXISTS \
                        (SELECT 1 FROM task t WHERE t.run = id_text(run.id)) ORDER BY finished_at LIMIT ?2";

/// What one step did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purged {
    /// Tasks that went.
    pub(crate) tasks: usize,
    /// Keys that went.
    pub(crate) keys: usize,
}

/// One step, within a transaction: at most `limit` tasks.
pub(crate) fn step(db: &Connection, purge: &Purge, limit: usize) -> rusqlite::Result<Purged> {
    let mut counts = tally::Delta::default();
    let mut tasks = 0;
    for state in State::ALL.into_iter().filter(|state| state.is_final()) {
        let before = match state {
            State::Dead => purge.dead_before,
            _ => purge.finished_before,
        };
        let left = limit.min(STEP) - tasks;
        let old: Vec<(i64, String, String)> = db
            .prepare_cached(OLD)?
            .query_map(
                params![
                    state.as_str(),
                    before.as_millis(),
                    left,
                    purge.dead_before.as_millis()
                ],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?
            .collect::<rusqlite::Result<_>>()?;
        for (n, lane, kind) in old {
            forget(db, n)?;
            counts.add((&lane, state, &kind), -1);
            tasks += 1;
        }
    }
    crate::session::forget(db, purge.finished_before)?;
    runs(db, purge)?;
    counts.write(db)?;
    ledger::purged(db, tasks)?;
    db.prepare_cached("DELETE FROM tally WHERE n = 0")?
        .execute([])?;
    let keys = db
        .prepare_cached(
            "DELETE FROM key WHERE key IN (SELECT key FROM key WHERE gone = 1 AND at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![purge.keys_before.as_millis(), STEP])?;
    Ok(Purged { tasks, keys })
}

/// Runs that are over, once the last of their tasks went.
fn runs(db: &Connection, purge: &Purge) -> rusqlite::Result<()> {
    let old: Vec<(i64, Vec<u8>)> = db
        .prepare_cached(OLD_RUNS)?
        .query_map(params![purge.finished_before.as_millis(), STEP], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (n, id) in old {
        for sql in [
            "DELETE FROM child WHERE run = ?1",
            "DELETE FROM step WHERE run = ?1",
        ] {
            db.prepare_cached(sql)?.execute([&id])?;
        }
        for sql in [
            "DELETE FROM run_spec WHERE run = ?1",
            "DELETE FROM run WHERE n = ?1",
        ] {
            db.prepare_cached(sql)?.execute([n])?;
        }
    }
    Ok(())
}

fn forget(db: &Connection, n: i64) -> rusqlite::Result<()> {
    const STEPS: [&str; 9] = [
        // The key stays for a while, so that a request that comes again is known.
        "UPDATE key SET gone = 1 WHERE key = (SELECT key FROM spec WHERE task = ?1)",
        "DELETE FROM label WHERE (key, value, task) IN (SELECT j.key, j.value, s.task \
         FROM spec s, json_each(s.labels) j WHERE s.task = ?1)",
        "DELETE FROM notice WHERE (agent, task) = (SELECT s.requester ->> 'agent', t.id FROM spec s CROSS JOIN task t ON t.n = s.task \
         WHERE s.task = ?1 AND s.requester IS NOT NULL)",
        "DELETE FROM event WHERE task = ?1",
        "DELETE FROM log WHERE task = ?1",
        "DELETE FROM log_size WHERE task = ?1",
        "DELETE FROM outcome WHERE task = ?1",
        "DELETE FROM spec WHERE task = ?1",
        "DELETE FROM task WHERE n = ?1",
    ];
    for sql in STEPS {
        db.prepare_cached(sql)?.execute([n])?;
    }
    Ok(())
}
