-- How finished jobs are found by age, how blobs are counted, and what is still to be done about what is gone.
CREATE INDEX finished_jobs ON jobs (finished_at, id) WHERE finished_at IS NOT NULL;

-- References that jobs hold; NULL where somebody put it who does not count. That somebody moves `touched_at` alone.
ALTER TABLE blobs ADD COLUMN refs INTEGER;
ALTER TABLE blobs ADD COLUMN counted_at REAL;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,     -- what is to be done; see actors/journal/errands.py
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,  -- and about what: a job's id, a blob's hash
    due_at REAL NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (due_at, id);
