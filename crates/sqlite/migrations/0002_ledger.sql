-- What was ever accepted and what was ever purged, counted apart from the rows themselves: accepted = purged + rows is
-- a check that can fail. What an older store has is taken from its tally, which does not look at the rows either.

CREATE TABLE ledger (
    name TEXT    PRIMARY KEY,                  -- accepted, purged
    n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO ledger SELECT 'accepted', ifnull(sum(n), 0) FROM tally;
INSERT INTO ledger VALUES ('purged', 0);
