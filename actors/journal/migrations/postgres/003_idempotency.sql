-- The keys under which clients created jobs.
CREATE TABLE idempotency_keys (
    name text COLLATE "C" NOT NULL PRIMARY KEY,  -- tenant, route and the client's word, as a JSON list
    tenant text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,       -- of what was asked for
    job_id text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL
);
CREATE INDEX keys_by_age ON idempotency_keys (created_at);
