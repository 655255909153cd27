-- Who wants to hear how a task ends, and the ends that were not heard of yet.

ALTER TABLE spec ADD COLUMN requester TEXT;   -- JSON: agent and instance

CREATE TABLE notice (
    agent   TEXT    NOT NULL,
    task    BLOB    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (agent, task)
) STRICT, WITHOUT ROWID;
