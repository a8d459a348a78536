-- What differs on Postgres.

-- name: jobs
SELECT {job} FROM jobs WHERE id = ANY(?);

-- name: ready
SELECT head.* FROM unnest(CAST(?4 AS TEXT[])) AS wanted (tenant) CROSS JOIN LATERAL (
    SELECT {job} FROM jobs WHERE step_state = 'ready' AND suspects = ''
    AND topic = ?1 AND tenant = wanted.tenant AND priority >= ?2 AND priority <= ?3
    ORDER BY priority DESC, ready_at, id LIMIT ?5
) AS head;

-- name: blobs
SELECT hash, data FROM blobs WHERE tenant = ? AND hash = ANY(?);

-- name: keys
SELECT name, tenant, fingerprint, job_id, created_at FROM idempotency_keys WHERE created_at >= ? AND name = ANY(?);

-- name: dead_letters
SELECT job_id, tenant, model, code, kind, created_at, redriven_as FROM dead_letters WHERE job_id = ANY(?);

-- name: budgets
SELECT tenant, reserved, spent FROM budgets WHERE tenant = ANY(?);

-- name: first_events
SELECT data FROM events WHERE position IN (
    SELECT MIN(position) FROM events WHERE job_id = ANY(?) GROUP BY job_id
);

-- name: remove_jobs
DELETE FROM jobs WHERE id = ANY(?) RETURNING 1;

-- name: remove_events
DELETE FROM events WHERE job_id = ANY(?) RETURNING tenant, data;

-- name: remove_dead_letters
DELETE FROM dead_letters WHERE job_id = ANY(?) RETURNING 1;

-- name: drop_unreferred
DELETE FROM blobs WHERE tenant = ? AND hash = ANY(?) AND refs <= 0 AND counted_at = touched_at RETURNING hash;

-- name: finished_sizes
-- A reference is a key, a colon and the size.
SELECT COUNT(*), CAST(COALESCE(SUM(
    CAST(split_part(request, ':', 2) AS BIGINT) + COALESCE(CAST(split_part(rendered, ':', 2) AS BIGINT), 0) + 2 * COALESCE(CAST(split_part(result, ':', 2) AS BIGINT), 0)
), 0) AS BIGINT) FROM jobs WHERE finished_at IS NOT NULL;

-- name: files
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files WHERE id = ANY(?);

-- name: attachments_by_id
SELECT {attachment} FROM attachments WHERE id = ANY(?);

-- name: attachments_by_file
SELECT {attachment} FROM attachments WHERE store = ? AND file = ANY(?);

-- name: attachments_with_files
SELECT {attachment} FROM attachments WHERE file = ANY(?) ORDER BY id;

-- name: load_schemas
SELECT data FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store (key, data) VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data;
