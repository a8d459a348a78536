-- The journal's first schema. Ids grow with time, so inserts append to every index that starts with one.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    step TEXT NOT NULL,
    step_state TEXT NOT NULL,
    topic TEXT NOT NULL,
    priority INTEGER NOT NULL,
    ready_at REAL NOT NULL,
    deadline_at REAL NOT NULL,
    attempt INTEGER NOT NULL,
    releases INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    worker TEXT NOT NULL,
    claim_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    fault TEXT,
    request TEXT NOT NULL,
    rendered TEXT,
    result TEXT,
    usage TEXT,
    log_end INTEGER,
    reason TEXT NOT NULL,
    traceparent TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_of_tenant ON jobs (tenant, id);
CREATE INDEX ready_steps ON jobs (topic, priority DESC, ready_at, id) WHERE step_state = 'ready';
CREATE INDEX waiting_steps ON jobs (ready_at) WHERE step_state = 'waiting';
CREATE INDEX claimed_steps ON jobs (worker) WHERE step_state = 'claimed';
CREATE INDEX deadlines ON jobs (deadline_at) WHERE status IN ('queued', 'in_progress');

CREATE TABLE events (
    position INTEGER PRIMARY KEY,  -- commit order
    job_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX events_of_job ON events (job_id);

CREATE TABLE blobs (
    tenant TEXT NOT NULL,
    hash TEXT NOT NULL,
    data BLOB NOT NULL,
    touched_at REAL NOT NULL,
    UNIQUE (tenant, hash)
);

CREATE TABLE open_seals (
    job_id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL
) WITHOUT ROWID;
