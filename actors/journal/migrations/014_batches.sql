-- Batches. Their lines are jobs, whose ids follow from the batch's.
CREATE TABLE batches (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL,
    completion_window TEXT NOT NULL,
    metadata TEXT NOT NULL,
    output_expires_s REAL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    status TEXT NOT NULL,
    fate TEXT NOT NULL,              -- the status it is to end with; '' while nothing is against its lines
    open INTEGER NOT NULL,           -- as long as any of its jobs may be
    model TEXT NOT NULL,
    errors TEXT NOT NULL,
    total INTEGER NOT NULL,          -- lines; -1 until they are found to be good
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    output_bytes INTEGER NOT NULL,
    error_bytes INTEGER NOT NULL,
    in_progress_at REAL,
    finalizing_at REAL,
    cancelling_at REAL,
    ended_at REAL
) WITHOUT ROWID;
CREATE INDEX batches_of_tenant ON batches (tenant, id);
CREATE INDEX open_batches ON batches (expires_at) WHERE open = 1;
