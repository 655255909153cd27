//! Between rows and tasks: which column holds what, and back.

use crate::cells::Cells;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, params};
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;
use warrener_model::event::{Cursor, NewEvent, TaskEvent};
use warrener_model::id::TaskId;
use warrener_model::json::Json;
use warrener_model::life::Life;
use warrener_model::task::{Priority, Spec, Task, TaskError};
use warrener_model::{Class, Timestamp};

/// The columns of a life, in the order of [`life_values`] and `Cells::life`.
const LIFE: [&str; 30] = [
    "state",
    "since",
    "attempt",
    "epoch",
    "max_attempts",
    "allowance",
    "offer",
    "offered_at",
    "start",
    "losses",
    "refusals",
    "replays",
    "retries",
    "claim",
    "lease_agent",
    "lease_instance",
    "lease_offer",
    "confirmed",
    "lease_seq",
    "parked",
    "dead_reason",
    "not_before",
    "retry_at",
    "deadline",
    "ready_at",
    "started_at",
    "finished_at",
    "prefer",
    "avoid",
    "last",
];

/// Inserts a task unless its id is there: ten columns of its own, its life, `due_at`.
pub(crate) static INSERT: LazyLock<String> = LazyLock::new(|| {
    let places = vec!["?"; 10 + LIFE.len() + 1].join(", ");
    format!(
        "INSERT INTO task (id, lane, kind, priority, created_at, parent, run, class, fingerprint, version, {}, due_at) \
         VALUES ({places}) ON CONFLICT (id) DO NOTHING",
        LIFE.join(", ")
    )
});

/// Adds to the version (the first parameter), writes a life and `due_at` to the task `n` (the last one).
pub(crate) static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let mut sql = String::from("UPDATE task SET version = version + ?");
    for column in LIFE.iter().chain(&["due_at"]) {
        let _ = write!(sql, ", {column} = ?");
    }
    sql + " WHERE n = ?"
});

static SELECT: LazyLock<[String; 4]> = LazyLock::new(|| {
    let life = LIFE.map(|column| format!("t.{column}")).join(", ");
    let sql = |bodies: &str, by: &str| {
        format!(
            "SELECT t.id, t.lane, t.kind, t.priority, t.created_at, t.parent, t.run, t.class, t.fingerprint, t.version, \
             {life}, s.title, s.labels, s.timeout_ms, s.retry, s.step, s.requester, o.message, o.detail, o.progress, o.usage, s.description{bodies} \
             FROM task t CROSS JOIN spec s ON s.task = t.n LEFT JOIN outcome o ON o.task = t.n WHERE {by}"
        )
    };
    let bodies = ", s.input, o.output";
    [
        sql("", "t.n = ?1"),
        sql(bodies, "t.n = ?1"),
        sql("", "t.id = ?1"),
        sql(bodies, "t.id = ?1"),
    ]
});

/// Which columns of a task are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Not input and output.
    Head,
    /// Everything.
    Whole,
}

/// The task in row `n`, which this transaction has just found.
pub(crate) fn by_number(db: &Connection, n: i64, part: Part) -> rusqlite::Result<Task> {
    db.prepare_cached(&SELECT[usize::from(part == Part::Whole)])?
        .query_row([n], |row| task(row, part))
}

/// The task of this id, if there is one.
pub(crate) fn by_id(db: &Connection, id: TaskId) -> rusqlite::Result<Option<Task>> {
    let mut statement = db.prepare_cached(&SELECT[3])?;
    let mut rows = statement.query(params![id.as_bytes()])?;
    rows.next()?.map(|row| task(row, Part::Whole)).transpose()
}

/// The row number of a task.
pub(crate) fn number(db: &Connection, id: TaskId) -> rusqlite::Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT n FROM task WHERE id = ?1")?;
    let mut rows = statement.query(params![id.as_bytes()])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

/// A task's own columns and its life, for [`INSERT`].
pub(crate) fn task_values(task: &Task) -> Vec<ToSqlOutput<'_>> {
    let spec = &task.spec;
    let error = task.error.as_ref();
    let mut values = vec![
        blob(task.id.as_bytes()),
        text(spec.lane.as_str()),
        text(spec.kind.as_str()),
        int(i64::from(spec.priority.rank())),
        int(spec.created_at.as_millis()),
        spec.parent.as_ref().map_or(NULL, |id| blob(id.as_bytes())),
        spec.run.as_deref().map_or(NULL, text),
        error.map_or(NULL, |e| text(e.class.as_str())),
        error.map_or(NULL, |e| text(&e.fingerprint)),
        int(task.version.cast_signed()),
    ];
    values.extend(life_values(&task.life));
    values
}

/// A life and its `due_at`, for [`INSERT`] and [`UPDATE`].
pub(crate) fn life_values(life: &Life) -> Vec<ToSqlOutput<'_>> {
    let lease = life.lease.as_ref();
    let retries = (!life.retries.is_empty()).then(|| json(&life.retries));
    vec![
        text(life.state.as_str()),
        int(life.since.as_millis()),
        int(i64::from(life.attempt)),
        int(life.epoch.cast_signed()),
        int(i64::from(life.max_attempts)),
        int(i64::from(life.allowance)),
        int(life.offer.cast_signed()),
        time(life.offered_at),
        text(life.start.as_str()),
        int(i64::from(life.losses)),
        int(i64::from(life.refusals)),
        int(i64::from(life.replays)),
        retries.map_or(NULL, |text| ToSqlOutput::Owned(Value::Text(text))),
        lease.map_or(NULL, |l| blob(l.claim.as_bytes())),
        lease.map_or(NULL, |l| text(l.agent.as_str())),
        lease.map_or(NULL, |l| text(l.instance.as_str())),
        lease
            .and_then(|l| l.offer)
            .map_or(NULL, |offer| int(offer.cast_signed())),
        int(i64::from(lease.is_some_and(|l| l.confirmed))),
        int(life.lease_seq.cast_signed()),
        life.parked.map_or(NULL, |parked| text(parked.as_str())),
        life.dead_reason
            .map_or(NULL, |reason| text(reason.as_str())),
        time(life.not_before),
        time(life.retry_at),
        time(life.deadline),
        time(life.ready_at),
        time(life.started_at),
        time(life.finished_at),
        life.prefer.as_ref().map_or(NULL, |a| text(a.as_str())),
        life.avoid.as_ref().map_or(NULL, |a| text(a.as_str())),
        life.last.as_ref().map_or(NULL, |a| text(a.as_str())),
        time(life.due_at()),
    ]
}

/// JSON text of what has a form in JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("maps with words as keys have a form in JSON")
}

const NULL: ToSqlOutput<'static> = ToSqlOutput::Owned(Value::Null);

/// A number, for a statement.
pub(crate) fn int(value: i64) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(value))
}

fn time(at: Option<Timestamp>) -> ToSqlOutput<'static> {
    at.map_or(NULL, |at| int(at.as_millis()))
}

fn text(value: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes()))
}

fn blob(value: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(value))
}

fn task(row: &Row<'_>, part: Part) -> rusqlite::Result<Task> {
    let mut cells = Cells::new(row);
    let id = TaskId::from_bytes(cells.next()?);
    let lane = cells.word()?;
    let kind = cells.word()?;
    let priority = Priority::from_rank(cells.next()?);
    let created_at = cells.time()?;
    let parent = cells.next::<Option<[u8; 16]>>()?.map(TaskId::from_bytes);
    let run = cells.next()?;
    let class: Option<Class> = cells.maybe_word()?;
    let fingerprint: Option<String> = cells.next()?;
    let version = cells.next::<i64>()?.cast_unsigned();
    let life = cells.life()?;
    let mut spec = Spec {
        kind,
        lane,
        priority,
        title: cells.next()?,
        description: String::new(),
        input: Json::null(),
        labels: cells.maybe_json()?.unwrap_or_default(),
        timeout: cells
            .next::<Option<i64>>()?
            .map(|ms| Duration::from_millis(ms.cast_unsigned())),
        retry: cells.maybe_json()?.unwrap_or_default(),
        parent,
        run,
        step: cells.next()?,
        requester: cells.maybe_json()?,
        created_at,
    };
    let message: Option<String> = cells.next()?;
    let detail = cells.maybe_json()?.unwrap_or_default();
    let error = class.map(|class| TaskError {
        class,
        message: message.unwrap_or_default(),
        detail,
        fingerprint: fingerprint.unwrap_or_default(),
    });
    let progress = cells.maybe_json()?;
    let usage = cells.maybe_json()?;
    spec.description = cells.next()?;
    let mut output = None;
    if part == Part::Whole {
        spec.input = cells.raw()?.unwrap_or_default();
        output = cells.raw()?;
    }
    Ok(Task {
        id,
        spec,
        life,
        output,
        error,
        progress,
        usage,
        version,
    })
}

/// A row of history: `n, id of the task, at, kind, state, attempt, epoch, agent, actor, detail`.
pub(crate) fn event(row: &Row<'_>) -> rusqlite::Result<TaskEvent> {
    let mut cells = Cells::new(row);
    Ok(TaskEvent {
        cursor: Cursor(cells.next::<i64>()?.cast_unsigned()),
        task: TaskId::from_bytes(cells.next()?),
        event: NewEvent {
            at: cells.time()?,
            kind: cells.word()?,
            state: cells.word()?,
            attempt: cells.next()?,
            epoch: cells.next::<i64>()?.cast_unsigned(),
            agent: cells.maybe_word()?,
            actor: cells.next()?,
            detail: cells.maybe_json()?.unwrap_or_default(),
        },
    })
}
