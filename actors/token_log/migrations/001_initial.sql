-- The token log's first schema. A log belongs to a job, and job ids grow with time, so inserts append.
CREATE TABLE logs (
    job_id TEXT NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,          -- the highest one seen
    next_sequence INTEGER NOT NULL,  -- the next free number
    open INTEGER NOT NULL,           -- whether an item is open
    seal BLOB                        -- events.v1.Seal, once the log has ended
) WITHOUT ROWID;

CREATE TABLE chunks (
    job_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,       -- number of the first operation
    next_sequence INTEGER NOT NULL,  -- the number after the last operation
    chunk BLOB NOT NULL,             -- events.v1.Chunk
    PRIMARY KEY (job_id, sequence)
) WITHOUT ROWID;
