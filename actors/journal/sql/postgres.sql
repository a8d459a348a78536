-- What differs on Postgres.

-- name: jobs
SELECT {job} FROM jobs WHERE id = ANY(?);

-- name: blobs
SELECT hash, data FROM blobs WHERE tenant = ? AND hash = ANY(?);

-- name: keys
SELECT name, tenant, fingerprint, job_id, created_at FROM idempotency_keys WHERE created_at >= ? AND name = ANY(?);

-- name: dead_letters
SELECT job_id, tenant, model, code, kind, created_at, redriven_as FROM dead_letters WHERE job_id = ANY(?);

-- name: budgets
SELECT tenant, reserved, spent FROM budgets WHERE tenant = ANY(?);

-- name: load_schemas
SELECT data FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store (key, data) VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data;
