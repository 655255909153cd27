-- Sessions: questions put to agents, and what was decided. Whole in the body; the columns are what is looked for.

CREATE TABLE session (
    id        BLOB    NOT NULL PRIMARY KEY,
    version   INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    due_at    INTEGER,                         -- while it is open
    closed_at INTEGER,
    body      TEXT    NOT NULL
) STRICT;
CREATE INDEX session_state ON session (state, id);
CREATE INDEX session_due ON session (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX session_closed ON session (closed_at) WHERE closed_at IS NOT NULL;
