-- Fast lanes: how the offer that is out starts, and how many of a lane are out.

ALTER TABLE task ADD COLUMN start TEXT NOT NULL DEFAULT 'claim';
CREATE INDEX task_out ON task (lane, state, offered_at) WHERE state = 'ready' AND offered_at IS NOT NULL;
