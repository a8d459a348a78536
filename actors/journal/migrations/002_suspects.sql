-- What crashes and failures say about a job, and the groups that are tried apart; see pipelines/suspects.py.
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN lone_crashes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN suspects TEXT NOT NULL DEFAULT '';
CREATE INDEX suspect_steps ON jobs (topic, step_state, suspects) WHERE suspects <> '';
