//! What each noun looks like on the command line: its fields, its columns, and what `-q` prints.

mod state;
pub(crate) use state::{LOCK, RESTORED, SNAPSHOT, STATE, WRITTEN};
mod schedule;
pub(crate) use schedule::{FIRING, SCHEDULE, SLOT};

/// A noun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// What one of them is called.
    pub(crate) noun: &'static str,
    /// The field that `-q` prints.
    pub(crate) id: &'static str,
    /// Every field, for `--fields` and for details.
    pub(crate) fields: &'static [&'static str],
    /// The columns of a table: head and field.
    pub(crate) columns: &'static [(&'static str, &'static str)],
}

const TASK_FIELDS: &[&str] = &[
    "id",
    "kind",
    "lane",
    "priority",
    "title",
    "description",
    "state",
    "final",
    "waiting_for",
    "waiting_since",
    "attempt",
    "epoch",
    "max_attempts",
    "agent",
    "input",
    "output",
    "error",
    "dead_reason",
    "labels",
    "run_id",
    "step",
    "parent_id",
    "created_at",
    "not_before",
    "ready_at",
    "started_at",
    "finished_at",
    "retry_at",
    "deadline",
    "timeout_ms",
    "progress",
    "usage",
    "replays",
    "version",
    "stopping",
];

/// Tasks.
pub(crate) const TASK: View = View {
    noun: "task",
    id: "id",
    fields: TASK_FIELDS,
    columns: &[
        ("ID", "id"),
        ("STATE", "state"),
        ("KIND", "kind"),
        ("LANE", "lane"),
        ("PRIORITY", "priority"),
        ("ATTEMPT", "attempt"),
        ("WAITS FOR", "waiting_for"),
        ("AGENT", "agent"),
        ("CREATED", "created_at"),
        ("TITLE", "title"),
    ],
};

/// Tasks as they end.
pub(crate) const ENDED: View = View {
    columns: &[
        ("ID", "id"),
        ("STATE", "state"),
        ("KIND", "kind"),
        ("FINISHED", "finished_at"),
        ("ERROR", "error.message"),
    ],
    ..TASK
};

/// Dead letters.
pub(crate) const DEAD: View = View {
    noun: "dead letter",
    columns: &[
        ("ID", "id"),
        ("KIND", "kind"),
        ("LANE", "lane"),
        ("REASON", "dead_reason"),
        ("CLASS", "error.class"),
        ("REPLAYS", "replays"),
        ("DIED", "finished_at"),
        ("FINGERPRINT", "error.fingerprint"),
        ("ERROR", "error.message"),
    ],
    ..TASK
};

/// Groups of dead letters.
pub(crate) const GROUP: View = View {
    noun: "group",
    id: "fingerprint",
    fields: &[
        "fingerprint",
        "count",
        "kind",
        "class",
        "first_at",
        "last_at",
        "error",
        "task_id",
    ],
    columns: &[
        ("FINGERPRINT", "fingerprint"),
        ("COUNT", "count"),
        ("KIND", "kind"),
        ("CLASS", "class"),
        ("FIRST", "first_at"),
        ("LAST", "last_at"),
        ("ERROR", "error.message"),
    ],
};

/// Messages that were refused.
pub(crate) const REFUSED: View = View {
    noun: "refused message",
    id: "n",
    fields: &[
        "n",
        "at",
        "inbox",
        "class",
        "reason",
        "sender",
        "type",
        "message_id",
        "size",
        "body",
    ],
    columns: &[
        ("N", "n"),
        ("AT", "at"),
        ("INBOX", "inbox"),
        ("CLASS", "class"),
        ("SENDER", "sender"),
        ("TYPE", "type"),
        ("SIZE", "size"),
        ("REASON", "reason"),
    ],
};

/// Runs of workflows.
pub(crate) const RUN: View = View {
    noun: "run",
    id: "id",
    fields: &[
        "id",
        "name",
        "state",
        "final",
        "inputs",
        "output",
        "steps",
        "error",
        "cancelled",
        "created_at",
        "started_at",
        "finished_at",
        "duplicate",
    ],
    columns: &[
        ("ID", "id"),
        ("NAME", "name"),
        ("STATE", "state"),
        ("CREATED", "created_at"),
        ("FINISHED", "finished_at"),
        ("ERROR", "error"),
    ],
};

/// What an act on dead letters did.
pub(crate) const DEAD_ACT: View = View {
    noun: "result",
    id: "done",
    fields: &["dry_run", "matched", "done", "skipped"],
    columns: &[
        ("MATCHED", "matched"),
        ("DONE", "done"),
        ("DRY RUN", "dry_run"),
    ],
};

/// What became of the requests of a batch.
pub(crate) const BATCH: View = View {
    noun: "result",
    id: "id",
    fields: &["index", "id", "duplicate"],
    columns: &[("ID", "id")],
};

/// Rows of history.
pub(crate) const EVENT: View = View {
    noun: "event",
    id: "cursor",
    fields: &[
        "cursor", "task_id", "at", "kind", "state", "attempt", "epoch", "agent", "actor", "detail",
    ],
    columns: &[
        ("AT", "at"),
        ("WHAT", "kind"),
        ("STATE", "state"),
        ("ATTEMPT", "attempt"),
        ("EPOCH", "epoch"),
        ("AGENT", "agent"),
        ("BY", "actor"),
        ("DETAIL", "detail"),
    ],
};

/// Pieces of log.
pub(crate) const LOG: View = View {
    noun: "log line",
    id: "n",
    fields: &["n", "attempt", "at", "stream", "text"],
    columns: &[
        ("AT", "at"),
        ("ATTEMPT", "attempt"),
        ("STREAM", "stream"),
        ("TEXT", "text"),
    ],
};

/// Lanes.
pub(crate) const LANE: View = View {
    noun: "lane",
    id: "name",
    fields: &[
        "name",
        "start",
        "paused",
        "reason",
        "paused_at",
        "oldest_ready_at",
        "counts",
        "agents",
        "slots",
        "busy",
    ],
    columns: &[
        ("LANE", "name"),
        ("START", "start"),
        ("PAUSED", "paused"),
        ("READY", "counts.ready"),
        ("RUNNING", "counts.running"),
        ("RETRYING", "counts.retrying"),
        ("DEAD", "counts.dead"),
        ("OLDEST", "oldest_ready_at"),
        ("AGENTS", "agents"),
        ("SLOTS", "slots"),
        ("BUSY", "busy"),
    ],
};

/// Circuit breakers.
pub(crate) const BREAKER: View = View {
    noun: "breaker",
    id: "kind",
    fields: &["kind", "state", "since", "probe_at", "failures", "error"],
    columns: &[
        ("KIND", "kind"),
        ("STATE", "state"),
        ("SINCE", "since"),
        ("TRIES AT", "probe_at"),
        ("FAILURES", "failures"),
        ("ERROR", "error"),
    ],
};

/// Agents.
pub(crate) const AGENT: View = View {
    noun: "agent",
    id: "id",
    fields: &[
        "id",
        "instance",
        "name",
        "role",
        "presence",
        "drain",
        "lanes",
        "kinds",
        "capabilities",
        "slots",
        "busy",
        "tasks",
        "version",
        "host",
        "joined_at",
        "seen_at",
    ],
    columns: &[
        ("AGENT", "id"),
        ("PRESENCE", "presence"),
        ("ROLE", "role"),
        ("LANES", "lanes"),
        ("KINDS", "kinds"),
        ("BUSY", "busy"),
        ("SLOTS", "slots"),
        ("SEEN", "seen_at"),
        ("HOST", "host"),
    ],
};

/// What a check found.
pub(crate) const FINDING: View = View {
    noun: "finding",
    id: "id",
    fields: &["id", "severity", "what", "remedy"],
    columns: &[
        ("SEVERITY", "severity"),
        ("FINDING", "id"),
        ("WHAT", "what"),
        ("TO DO", "remedy"),
    ],
};

/// Settings.
pub(crate) const SETTING: View = View {
    noun: "setting",
    id: "key",
    fields: &["key", "value", "origin"],
    columns: &[("KEY", "key"), ("VALUE", "value")],
};

/// Settings with their origin.
pub(crate) const SETTING_ORIGIN: View = View {
    columns: &[("KEY", "key"), ("VALUE", "value"), ("ORIGIN", "origin")],
    ..SETTING
};
