-- Lists of one kind, newest first: without it a rare kind reads every task. No move writes to it.
CREATE INDEX task_kind ON task (kind, created_at, id);
