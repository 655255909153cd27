-- Shared state. Versions are only ever inserted, and forgotten when old; the head of a key says which is the newest.

CREATE TABLE state_version (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,   -- the cursor
    space      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    cause      TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    value      TEXT,                                -- none: a tombstone
    expires_at INTEGER,
    request    TEXT                                 -- the same once more is answered with this version
) STRICT;
CREATE INDEX state_key     ON state_version (space, key);
CREATE INDEX state_space   ON state_version (space);
CREATE INDEX state_request ON state_version (space, key, request) WHERE request IS NOT NULL;

CREATE TABLE state_head (
    space      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    n          INTEGER NOT NULL,                    -- the newest version
    version    INTEGER NOT NULL,
    live       INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX state_over ON state_head (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE state_lock (
    space  TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    token  INTEGER NOT NULL,                        -- grows with every holder
    holder TEXT,
    until  INTEGER,
    PRIMARY KEY (space, name)
) STRICT, WITHOUT ROWID;

-- Changes up to this cursor may be forgotten.
CREATE TABLE state_mark (forgotten INTEGER NOT NULL) STRICT;
INSERT INTO state_mark VALUES (0);
