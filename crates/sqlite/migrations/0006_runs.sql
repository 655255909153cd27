-- Runs of workflows. A run and a step are rewritten by each step that ends; what never changes is apart.

CREATE TABLE run (
    n           INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    active      INTEGER NOT NULL,              -- steps that are running
    failures    INTEGER NOT NULL,              -- steps that failed and must not
    cancel      TEXT,                          -- why it was cancelled
    error       TEXT,
    finished_at INTEGER,
    output      TEXT
) STRICT;
CREATE INDEX run_created  ON run (created_at, id);
CREATE INDEX run_open     ON run (state) WHERE state = 'running';
CREATE INDEX run_finished ON run (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE run_spec (
    run    INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    inputs TEXT NOT NULL,
    file   TEXT NOT NULL
) STRICT;

CREATE TABLE step (
    run    BLOB    NOT NULL,                   -- the id of the run
    n      INTEGER NOT NULL,
    id     TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    needs  INTEGER NOT NULL,                   -- steps it waits for that are not over
    total  INTEGER NOT NULL,
    done   INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    error  TEXT,
    value  TEXT,
    PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE child (
    run  BLOB    NOT NULL,
    step INTEGER NOT NULL,
    item INTEGER NOT NULL,
    task BLOB    NOT NULL,
    PRIMARY KEY (run, step, item)
) STRICT, WITHOUT ROWID;
