-- Schedules and what became of their slots. AUTOINCREMENT: a name that is used again begins behind the rows before it.

CREATE TABLE schedule (
    name       TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    due_at     INTEGER,                        -- none while it is paused or over
    waits      INTEGER NOT NULL,               -- a slot waits for the end of the last task
    body       TEXT    NOT NULL                -- the whole of it
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedule_waits ON schedule (waits) WHERE waits = 1;

CREATE TABLE firing (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule TEXT    NOT NULL,
    body     TEXT    NOT NULL
) STRICT;
CREATE INDEX firing_schedule ON firing (schedule, n);
