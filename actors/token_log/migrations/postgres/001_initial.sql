-- The token log's first schema on Postgres. Text is compared by its bytes, as in SQLite.
-- A log belongs to a job, and job ids grow with time, so inserts append.
CREATE TABLE logs (
    job_id text COLLATE "C" NOT NULL PRIMARY KEY,
    fence bigint NOT NULL,          -- the highest one seen
    next_sequence bigint NOT NULL,  -- the next free number
    open boolean NOT NULL,          -- whether an item is open
    seal bytea                      -- events.v1.Seal, once the log has ended
);

CREATE TABLE chunks (
    job_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,       -- number of the first operation
    next_sequence bigint NOT NULL,  -- the number after the last operation
    chunk bytea NOT NULL,           -- events.v1.Chunk
    PRIMARY KEY (job_id, sequence)
);
