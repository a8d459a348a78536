-- Every statement of the SQLite journal. A column list is the order of `to_row` in rows.py.

-- name: insert_job
INSERT INTO jobs (
    id, tenant, pipeline, model, status, step, step_state, topic, priority, ready_at, deadline_at, attempt, releases, fence,
    settled, worker, claim_id, created_at, started_at, finished_at, fault, request, rendered, result, usage, log_end, reason,
    traceparent, failures, crashes, lone_crashes, suspects
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_job
-- What never changes after the insert is left out, so the index on tenants is not touched.
UPDATE jobs SET
    status = ?, step = ?, step_state = ?, topic = ?, ready_at = ?, attempt = ?, releases = ?, fence = ?, settled = ?,
    worker = ?, claim_id = ?, started_at = ?, finished_at = ?, fault = ?, rendered = ?, result = ?, usage = ?,
    log_end = ?, reason = ?, failures = ?, crashes = ?, lone_crashes = ?, suspects = ?
WHERE id = ?;

-- name: job
SELECT * FROM jobs WHERE id = ?;

-- name: ready
SELECT * FROM jobs WHERE step_state = 'ready' AND topic = ? AND suspects = '' ORDER BY priority DESC, ready_at, id LIMIT ?;

-- name: suspects
-- The group that was set apart first.
SELECT * FROM jobs WHERE step_state = 'ready' AND suspects = (
    SELECT suspects FROM jobs WHERE step_state = 'ready' AND suspects <> '' AND topic = ?1 ORDER BY suspects LIMIT 1
) ORDER BY id LIMIT ?2;

-- name: on_trial
SELECT 1 FROM jobs WHERE step_state = 'claimed' AND suspects <> '' AND topic = ? LIMIT 1;

-- name: held
SELECT * FROM jobs WHERE step_state = 'claimed' AND worker = ?;

-- name: due
SELECT * FROM jobs WHERE step_state = 'waiting' AND ready_at <= ? ORDER BY ready_at LIMIT ?;

-- name: overdue
SELECT * FROM jobs WHERE status IN ('queued', 'in_progress') AND deadline_at <= ? ORDER BY deadline_at LIMIT ?;

-- name: append_event
INSERT INTO events (job_id, tenant, data) VALUES (?, ?, ?);

-- name: events
SELECT data, tenant FROM events WHERE job_id = ? ORDER BY position;

-- name: put_blob
INSERT INTO blobs (tenant, hash, data, touched_at) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, hash) DO UPDATE SET touched_at = excluded.touched_at;

-- name: blob
SELECT data FROM blobs WHERE tenant = ? AND hash = ?;

-- name: open_seal
INSERT OR IGNORE INTO open_seals (job_id, tenant) VALUES (?, ?);

-- name: drop_seal
DELETE FROM open_seals WHERE job_id = ?;

-- name: unsealed
SELECT jobs.* FROM open_seals JOIN jobs ON jobs.id = open_seals.job_id ORDER BY open_seals.job_id LIMIT ?;

-- name: census
SELECT topic, step, model, step_state, CASE step_state WHEN 'claimed' THEN worker ELSE '' END AS holder, COUNT(*)
FROM jobs WHERE step_state IN ('ready', 'waiting', 'claimed') GROUP BY topic, step, model, step_state, holder;

-- name: next_ready
SELECT ready_at FROM jobs WHERE step_state = 'ready' AND topic = ? ORDER BY priority DESC, ready_at LIMIT 1;

-- name: newest_jobs
SELECT * FROM jobs
WHERE tenant = ?1 AND id < ?2 AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR model = ?4)
ORDER BY id DESC LIMIT ?5;

-- name: oldest_jobs
SELECT * FROM jobs
WHERE tenant = ?1 AND id > ?2 AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR model = ?4)
ORDER BY id LIMIT ?5;

-- name: load_schemas
SELECT value FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
