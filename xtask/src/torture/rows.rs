//! The store as it lies on the disk, read with SQL of our own: rows of tasks and of their history.
//! Nothing of the code under test takes part.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Result, Row};
use serde_json::Value;
use uuid::Uuid;

use super::run_rows::{self, Run};
use super::session_rows::{self, Session};

/// A row of `task`, with what its key and its result are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    pub(crate) state: String,
    pub(crate) attempt: u64,
    pub(crate) epoch: u64,
    pub(crate) lease: Option<String>,
    pub(crate) offered: bool,
    pub(crate) due_at: Option<i64>,
    pub(crate) not_before: Option<i64>,
    pub(crate) deadline: Option<i64>,
    pub(crate) dead_reason: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) output: Option<String>,
    /// What agents decided is in its input.
    pub(crate) decided: bool,
    pub(crate) history: Vec<Event>,
}

/// A row of `event`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) n: i64,
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) attempt: u64,
    pub(crate) epoch: u64,
    pub(crate) agent: Option<String>,
    pub(crate) actor: String,
    pub(crate) detail: Value,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) runs: BTreeMap<String, Run>,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Rows of runs that belong to none.
    pub(crate) strays: Vec<String>,
    /// What SQLite finds wrong with the file, and counts that do not add up.
    pub(crate) unsound: Vec<String>,
}

/// States that no task leaves by itself.
pub(crate) const FINAL: [&str; 5] = ["succeeded", "failed", "dead", "cancelled", "expired"];

impl Task {
    pub(crate) fn is_final(&self) -> bool {
        FINAL.contains(&self.state.as_str())
    }
}

/// How many tasks and runs are not final.
pub(crate) fn open(file: &Path) -> Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM task \
        WHERE state NOT IN ('succeeded', 'failed', 'dead', 'cancelled', 'expired')) \
        + (SELECT count(*) FROM run WHERE state = 'running')";
    connect(file)?.query_row(sql, [], |row| number(row, 0))
}

/// Reads all of it.
pub(crate) fn read(file: &Path) -> Result<Rows> {
    let db = connect(file)?;
    let mut rows = Rows::default();
    let mut names = BTreeMap::new();
    let sql = "SELECT t.n, t.id, t.state, t.attempt, t.epoch, t.lease_agent, t.offered_at, t.due_at, \
        t.not_before, t.deadline, t.dead_reason, s.key, o.output, ifnull(s.input LIKE '%\"decision\"%', 0) FROM task t \
        LEFT JOIN spec s ON s.task = t.n LEFT JOIN outcome o ON o.task = t.n";
    let mut found = db.prepare(sql)?;
    let mut found = found.query([])?;
    while let Some(row) = found.next()? {
        let id = id(row.get_ref(1)?);
        names.insert(row.get::<_, i64>(0)?, id.clone());
        rows.tasks.insert(id, task(row)?);
    }
    let sql = "SELECT task, n, at, kind, state, attempt, epoch, agent, actor, detail FROM event ORDER BY n";
    let mut found = db.prepare(sql)?;
    let mut found = found.query([])?;
    while let Some(row) = found.next()? {
        let task = names
            .get(&row.get(0)?)
            .and_then(|id| rows.tasks.get_mut(id));
        match task {
            Some(task) => task.history.push(event(row)?),
            None => rows.unsound.push("a row of history without a task".into()),
        }
    }
    rows.unsound.extend(unsound(&db)?);
    (rows.runs, rows.strays) = run_rows::read(&db)?;
    rows.sessions = session_rows::read(&db)?;
    Ok(rows)
}

/// What the file says against itself.
fn unsound(db: &Connection) -> Result<Vec<String>> {
    let mut found = vec![];
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if check != "ok" {
        found.push(format!("integrity_check: {check}"));
    }
    let sql = "SELECT ifnull(a.lane, b.lane), ifnull(a.state, b.state), ifnull(a.c, 0), ifnull(b.c, 0) \
        FROM (SELECT lane, state, sum(n) AS c FROM tally GROUP BY 1, 2) a \
        FULL JOIN (SELECT lane, state, count(*) AS c FROM task GROUP BY 1, 2) b \
        ON a.lane = b.lane AND a.state = b.state WHERE ifnull(a.c, 0) <> ifnull(b.c, 0)";
    let mut rows = db.prepare(sql)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (lane, state): (String, String) = (row.get(0)?, row.get(1)?);
        let (tally, tasks): (i64, i64) = (row.get(2)?, row.get(3)?);
        found.push(format!(
            "{lane} has {tasks} {state} tasks, its tally says {tally}"
        ));
    }
    Ok(found)
}

fn connect(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

fn task(row: &Row<'_>) -> Result<Task> {
    Ok(Task {
        state: row.get(2)?,
        attempt: number(row, 3)?,
        epoch: number(row, 4)?,
        lease: row.get(5)?,
        offered: row.get::<_, Option<i64>>(6)?.is_some(),
        due_at: row.get(7)?,
        not_before: row.get(8)?,
        deadline: row.get(9)?,
        dead_reason: row.get(10)?,
        key: row.get(11)?,
        output: row.get(12)?,
        decided: row.get(13)?,
        history: vec![],
    })
}

fn event(row: &Row<'_>) -> Result<Event> {
    let detail: Option<String> = row.get(9)?;
    Ok(Event {
        n: row.get(1)?,
        at: row.get(2)?,
        kind: row.get(3)?,
        state: row.get(4)?,
        attempt: number(row, 5)?,
        epoch: number(row, 6)?,
        agent: row.get(7)?,
        actor: row.get(8)?,
        detail: detail
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    })
}

/// No number of ours is negative; one that is would be found as one that fell.
fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

pub(crate) fn id(value: ValueRef<'_>) -> String {
    let bytes = value.as_blob().unwrap_or_default();
    Uuid::from_slice(bytes).map_or_else(|_| format!("{bytes:?}"), |id| id.to_string())
}
