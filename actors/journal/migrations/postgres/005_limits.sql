-- Limits: of the output tokens of a tenant, and of the time of an attempt.
ALTER TABLE jobs ADD COLUMN reserved bigint NOT NULL DEFAULT 0;  -- output tokens, until the job ends
CREATE TABLE budgets (
    tenant text COLLATE "C" NOT NULL PRIMARY KEY,
    reserved bigint NOT NULL,  -- by the jobs that are open
    spent bigint NOT NULL      -- by the jobs that have ended
);

ALTER TABLE jobs ADD COLUMN step_deadline_at double precision;  -- of the claim in force, NULL where it has none
CREATE INDEX step_deadlines ON jobs (step_deadline_at) WHERE step_state = 'claimed' AND step_deadline_at IS NOT NULL;
