-- The first schema. Ids are their 16 bytes, times milliseconds since 1970, words (states, kinds, classes) their text,
-- so that a person with `sqlite3` can read everything. Whoever adds a migration adds a file; files never change.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- What a transition rewrites: scalars only. What never changes is in `spec`, what an attempt leaves in `outcome`,
-- so that a move does not copy 256 KiB of input.
CREATE TABLE task (
    n              INTEGER PRIMARY KEY,
    id             BLOB    NOT NULL UNIQUE,
    lane           TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    priority       INTEGER NOT NULL,           -- 0 low to 3 critical
    created_at     INTEGER NOT NULL,
    parent         BLOB,
    run            TEXT,
    class          TEXT,                       -- of the last error, as its fingerprint
    fingerprint    TEXT,
    version        INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    since          INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,
    max_attempts   INTEGER NOT NULL,
    allowance      INTEGER NOT NULL,
    offer          INTEGER NOT NULL,
    offered_at     INTEGER,
    losses         INTEGER NOT NULL,
    refusals       INTEGER NOT NULL,
    replays        INTEGER NOT NULL,
    retries        TEXT,                       -- JSON: class -> number
    claim          BLOB,                       -- the lease: claim, agent, instance, offer, confirmed
    lease_agent    TEXT,
    lease_instance TEXT,
    lease_offer    INTEGER,
    confirmed      INTEGER NOT NULL,
    lease_seq      INTEGER NOT NULL,
    parked         TEXT,
    dead_reason    TEXT,
    not_before     INTEGER,
    retry_at       INTEGER,
    deadline       INTEGER,
    ready_at       INTEGER,
    started_at     INTEGER,
    finished_at    INTEGER,
    prefer         TEXT,
    avoid          TEXT,
    last           TEXT,                       -- the agent of the newest attempt
    due_at         INTEGER,                    -- what Life::due_at() said
    agent          TEXT GENERATED ALWAYS AS (ifnull(lease_agent, last)) VIRTUAL
) STRICT;

CREATE INDEX task_created  ON task (created_at, id);
CREATE INDEX task_priority ON task (priority, id);
CREATE INDEX task_lane     ON task (lane, created_at, id);
CREATE INDEX task_state    ON task (state, created_at, id);
CREATE INDEX task_agent    ON task (agent, created_at, id) WHERE agent IS NOT NULL;
CREATE INDEX task_run      ON task (run) WHERE run IS NOT NULL;
CREATE INDEX task_parent   ON task (parent) WHERE parent IS NOT NULL;
-- The work queue: `kind` at its end lets a lane's excepted kinds be passed over without reading the rows.
CREATE INDEX task_next     ON task (lane, priority DESC, ready_at, id, kind) WHERE state = 'ready' AND offered_at IS NULL;
CREATE INDEX task_oldest   ON task (lane, ready_at) WHERE state = 'ready';
CREATE INDEX task_offered  ON task (offered_at) WHERE state = 'ready' AND offered_at IS NOT NULL;
CREATE INDEX task_running  ON task (lease_agent) WHERE state = 'running';
CREATE INDEX task_due      ON task (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX task_finished ON task (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX task_over     ON task (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX task_dead     ON task (fingerprint, finished_at) WHERE state = 'dead';

-- What was asked for; the large columns last, so that reading the small ones never touches their pages.
CREATE TABLE spec (
    task        INTEGER PRIMARY KEY,
    title       TEXT NOT NULL,
    labels      TEXT,                          -- JSON object
    timeout_ms  INTEGER,
    retry       TEXT,                          -- JSON: class -> override
    step        TEXT,
    key         TEXT,                          -- its idempotency key
    description TEXT NOT NULL,
    input       TEXT NOT NULL
) STRICT;

-- What attempts left; no row until there is something.
CREATE TABLE outcome (
    task     INTEGER PRIMARY KEY,
    progress TEXT,
    usage    TEXT,
    message  TEXT,                             -- of the error; its class and fingerprint are in `task`
    detail   TEXT,
    output   TEXT
) STRICT;

CREATE TABLE label (
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    task  INTEGER NOT NULL,
    PRIMARY KEY (key, value, task)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a cursor is never given twice, even after the newest rows were purged.
CREATE TABLE event (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    task    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    attempt INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    agent   TEXT,
    actor   TEXT    NOT NULL,
    detail  TEXT
) STRICT;
CREATE INDEX event_task ON event (task, n);

CREATE TABLE key (
    key    TEXT PRIMARY KEY,
    digest BLOB    NOT NULL,
    task   BLOB    NOT NULL,                   -- the id, which outlives the row
    at     INTEGER NOT NULL,
    gone   INTEGER NOT NULL DEFAULT 0          -- its task was purged
) STRICT, WITHOUT ROWID;
CREATE INDEX key_gone ON key (at) WHERE gone = 1;

CREATE TABLE log (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    task    INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    stream  TEXT    NOT NULL,
    text    TEXT    NOT NULL
) STRICT;
CREATE INDEX log_task ON log (task, n);

-- How much of the log of an attempt is kept: the first half until it is full, then the newest of the second half.
CREATE TABLE log_size (
    task      INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    head      INTEGER NOT NULL,                -- bytes of the first half
    tail      INTEGER NOT NULL,                -- bytes of the second half
    tail_from INTEGER,                         -- first row of the second half, once there is one
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
    id        TEXT PRIMARY KEY,
    card      TEXT    NOT NULL,                -- JSON, as it said when it joined
    presence  TEXT    NOT NULL,
    drain     INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
    lane   TEXT PRIMARY KEY,
    paused INTEGER NOT NULL,
    reason TEXT,
    since  INTEGER
) STRICT, WITHOUT ROWID;

-- How many tasks are where; kept in the transaction that moves them, so it is exact and never a scan.
CREATE TABLE tally (
    lane  TEXT    NOT NULL,
    state TEXT    NOT NULL,
    kind  TEXT    NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (lane, state, kind)
) STRICT, WITHOUT ROWID;
