-- The keys under which clients created jobs.
CREATE TABLE idempotency_keys (
    name TEXT NOT NULL PRIMARY KEY,  -- tenant, route and the client's word, as a JSON list
    tenant TEXT NOT NULL,
    fingerprint TEXT NOT NULL,       -- of what was asked for
    job_id TEXT NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX keys_by_age ON idempotency_keys (created_at);
