-- What the tenants that have a token budget have reserved and spent.
ALTER TABLE jobs ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;  -- output tokens, until the job ends
CREATE TABLE budgets (
    tenant TEXT NOT NULL PRIMARY KEY,
    reserved INTEGER NOT NULL,  -- by the jobs that are open
    spent INTEGER NOT NULL      -- by the jobs that have ended
) WITHOUT ROWID;
