-- What differs on SQLite. A list comes as JSON.

-- name: jobs
SELECT {job} FROM jobs WHERE id IN (SELECT value FROM json_each(?));

-- name: blobs
SELECT hash, data FROM blobs WHERE tenant = ? AND hash IN (SELECT value FROM json_each(?));

-- name: keys
SELECT name, tenant, fingerprint, job_id, created_at FROM idempotency_keys
WHERE created_at >= ? AND name IN (SELECT value FROM json_each(?));

-- name: dead_letters
SELECT job_id, tenant, model, code, kind, created_at, redriven_as FROM dead_letters
WHERE job_id IN (SELECT value FROM json_each(?));

-- name: budgets
SELECT tenant, reserved, spent FROM budgets WHERE tenant IN (SELECT value FROM json_each(?));

-- name: load_schemas
SELECT value FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
