-- The journal's first schema on Postgres. Text is compared by its bytes, as in SQLite.
-- Ids grow with time, so inserts append to every index that starts with one.
CREATE TABLE jobs (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    pipeline text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL,
    step_state text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    priority bigint NOT NULL,
    ready_at double precision NOT NULL,
    deadline_at double precision NOT NULL,
    attempt bigint NOT NULL,
    releases bigint NOT NULL,
    fence bigint NOT NULL,
    settled bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    claim_id text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    started_at double precision,
    finished_at double precision,
    fault text COLLATE "C",
    request text COLLATE "C" NOT NULL,
    rendered text COLLATE "C",
    result text COLLATE "C",
    usage text COLLATE "C",
    log_end bigint,
    reason text COLLATE "C" NOT NULL,
    traceparent text COLLATE "C" NOT NULL
);
CREATE INDEX jobs_of_tenant ON jobs (tenant, id);
CREATE INDEX ready_steps ON jobs (topic, priority DESC, ready_at, id) WHERE step_state = 'ready';
CREATE INDEX waiting_steps ON jobs (ready_at) WHERE step_state = 'waiting';
CREATE INDEX claimed_steps ON jobs (worker) WHERE step_state = 'claimed';
CREATE INDEX deadlines ON jobs (deadline_at) WHERE status IN ('queued', 'in_progress');

CREATE TABLE events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- commit order
    job_id text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    data bytea NOT NULL
);
CREATE INDEX events_of_job ON events (job_id, position);

CREATE TABLE blobs (
    tenant text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    data bytea NOT NULL,
    touched_at double precision NOT NULL,
    PRIMARY KEY (tenant, hash)
);

CREATE TABLE open_seals (
    job_id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL
);
