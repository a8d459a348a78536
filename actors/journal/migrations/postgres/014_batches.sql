-- Batches. Their lines are jobs, whose ids follow from the batch's.
CREATE TABLE batches (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    endpoint text COLLATE "C" NOT NULL,
    input_file text COLLATE "C" NOT NULL,
    completion_window text COLLATE "C" NOT NULL,
    metadata text COLLATE "C" NOT NULL,
    output_expires_s double precision,
    created_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    status text COLLATE "C" NOT NULL,
    fate text COLLATE "C" NOT NULL,              -- the status it is to end with; '' while nothing is against its lines
    open bigint NOT NULL,           -- as long as any of its jobs may be
    model text COLLATE "C" NOT NULL,
    errors text COLLATE "C" NOT NULL,
    total bigint NOT NULL,          -- lines; -1 until they are found to be good
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    output_bytes bigint NOT NULL,
    error_bytes bigint NOT NULL,
    in_progress_at double precision,
    finalizing_at double precision,
    cancelling_at double precision,
    ended_at double precision
);
CREATE INDEX batches_of_tenant ON batches (tenant, id);
CREATE INDEX open_batches ON batches (expires_at) WHERE open = 1;
