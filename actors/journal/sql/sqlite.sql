-- What differs on SQLite. A list comes as JSON.

-- name: jobs
SELECT {job} FROM jobs WHERE id IN (SELECT value FROM json_each(?));

-- name: ready
SELECT {job_of_j} FROM json_each(?4) CROSS JOIN jobs AS j WHERE j.id IN (
    SELECT id FROM jobs WHERE step_state = 'ready' AND suspects = ''
    AND topic = ?1 AND tenant = json_each.value AND priority >= ?2 AND priority <= ?3
    ORDER BY priority DESC, ready_at, id LIMIT ?5
) ORDER BY j.priority DESC, j.ready_at, j.id;

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

-- name: first_events
SELECT data FROM events WHERE position IN (
    SELECT MIN(position) FROM events WHERE job_id IN (SELECT value FROM json_each(?)) GROUP BY job_id
);

-- name: remove_jobs
DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?)) RETURNING 1;

-- name: remove_events
DELETE FROM events WHERE job_id IN (SELECT value FROM json_each(?)) RETURNING tenant, data;

-- name: remove_dead_letters
DELETE FROM dead_letters WHERE job_id IN (SELECT value FROM json_each(?)) RETURNING 1;

-- name: drop_unreferred
DELETE FROM blobs WHERE tenant = ? AND hash IN (SELECT value FROM json_each(?)) AND refs <= 0 AND counted_at = touched_at
RETURNING hash;

-- name: finished_sizes
-- A reference is a key, a colon and the size.
SELECT COUNT(*), CAST(COALESCE(SUM(
    CAST(substr(request, instr(request, ':') + 1) AS BIGINT) + COALESCE(CAST(substr(rendered, instr(rendered, ':') + 1) AS BIGINT), 0) + 2 * COALESCE(CAST(substr(result, instr(result, ':') + 1) AS BIGINT), 0)
), 0) AS BIGINT) FROM jobs WHERE finished_at IS NOT NULL;

-- name: files
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files WHERE id IN (SELECT value FROM json_each(?));

-- name: attachments_by_id
SELECT {attachment} FROM attachments WHERE id IN (SELECT value FROM json_each(?));

-- name: attachments_by_file
SELECT {attachment} FROM attachments WHERE store = ? AND file IN (SELECT value FROM json_each(?));

-- name: attachments_with_files
SELECT {attachment} FROM attachments WHERE file IN (SELECT value FROM json_each(?)) ORDER BY id;

-- name: load_schemas
SELECT value FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
