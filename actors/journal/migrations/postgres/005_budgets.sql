-- What the tenants that have a token budget have reserved and spent.
ALTER TABLE jobs ADD COLUMN reserved bigint NOT NULL DEFAULT 0;  -- output tokens, until the job ends
CREATE TABLE budgets (
    tenant text COLLATE "C" NOT NULL PRIMARY KEY,
    reserved bigint NOT NULL,  -- by the jobs that are open
    spent bigint NOT NULL      -- by the jobs that have ended
);
