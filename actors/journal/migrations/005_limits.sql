-- Limits: of the output tokens of a tenant, and of the time of an attempt.
ALTER TABLE jobs ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;  -- output tokens, until the job ends
CREATE TABLE budgets (
    tenant TEXT NOT NULL PRIMARY KEY,
    reserved INTEGER NOT NULL,  -- by the jobs that are open
    spent INTEGER NOT NULL      -- by the jobs that have ended
) WITHOUT ROWID;

ALTER TABLE jobs ADD COLUMN step_deadline_at REAL;  -- of the claim in force, NULL where it has none
CREATE INDEX step_deadlines ON jobs (step_deadline_at) WHERE step_state = 'claimed' AND step_deadline_at IS NOT NULL;
