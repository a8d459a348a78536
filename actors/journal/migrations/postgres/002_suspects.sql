-- What crashes and failures say about a job, and the groups that are tried apart; see pipelines/suspects.py.
ALTER TABLE jobs ADD COLUMN failures bigint NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN crashes bigint NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN lone_crashes bigint NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN suspects text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX suspect_steps ON jobs (topic, step_state, suspects) WHERE suspects <> '';
