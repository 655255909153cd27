-- The task in whose place a run is done; it waits in state blocked.

ALTER TABLE run ADD COLUMN parent BLOB;
CREATE INDEX run_parent ON run (parent) WHERE parent IS NOT NULL;
CREATE INDEX task_parted ON task (id) WHERE state = 'blocked';

-- Dead letters of runs, which keep what else is of their run.
CREATE INDEX task_dead_run ON task (run) WHERE state = 'dead' AND run IS NOT NULL;
