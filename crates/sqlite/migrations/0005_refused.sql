-- Messages that were refused. AUTOINCREMENT and no gaps: how many rows there are can be told from their numbers.

CREATE TABLE refused (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    inbox   TEXT    NOT NULL,
    class   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    sender  TEXT,
    type    TEXT    NOT NULL,
    message BLOB    NOT NULL,                  -- its id
    size    INTEGER NOT NULL,                  -- of the whole body
    body    BLOB    NOT NULL                   -- the beginning of it
) STRICT;
