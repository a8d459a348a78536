-- Every statement of the journal that is the same in all SQL stores. What stands in braces is in rows.py.

-- name: insert_job
INSERT INTO jobs ({job}) VALUES ({job_values});

-- name: update_job
UPDATE jobs SET {job_changes} WHERE id = ?;

-- name: suspects
-- The group that was set apart first. `suspects <> ''` twice, so that the index answers and not the backlog.
SELECT {job} FROM jobs WHERE topic = ?1 AND step_state = 'ready' AND suspects <> '' AND suspects = (
    SELECT MIN(suspects) FROM jobs WHERE topic = ?1 AND step_state = 'ready' AND suspects <> ''
) ORDER BY id LIMIT ?2;

-- name: on_trial
SELECT 1 FROM jobs WHERE topic = ? AND step_state = 'claimed' AND suspects <> '' LIMIT 1;

-- name: tries
SELECT 1 FROM jobs WHERE worker = ? AND step_state = 'claimed' AND suspects <> '' LIMIT 1;

-- name: claimed
SELECT {job} FROM jobs WHERE step_state = 'claimed';

-- name: due
SELECT {job} FROM jobs WHERE step_state = 'waiting' AND ready_at <= ? ORDER BY ready_at LIMIT ?;

-- name: overdue
SELECT {job} FROM jobs WHERE status IN ('queued', 'in_progress') AND deadline_at <= ? ORDER BY deadline_at LIMIT ?;

-- name: nearing
SELECT {job} FROM jobs WHERE status IN ('queued', 'in_progress') AND deadline_at >= ?1 AND deadline_at <= ?2
AND promotion = 0 AND deadline_at - created_at > ?3 ORDER BY deadline_at LIMIT ?4;

-- name: late
SELECT {job} FROM jobs WHERE step_state = 'claimed' AND step_deadline_at <= ? ORDER BY step_deadline_at LIMIT ?;

-- name: spent
SELECT {job} FROM jobs WHERE step_ends_at <= ? ORDER BY step_ends_at LIMIT ?;

-- name: append_event
INSERT INTO events (job_id, tenant, data) VALUES (?, ?, ?);

-- name: events
SELECT data FROM events WHERE job_id = ? ORDER BY position;

-- name: put_key
INSERT INTO idempotency_keys (name, tenant, fingerprint, job_id, created_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
    fingerprint = excluded.fingerprint, job_id = excluded.job_id, created_at = excluded.created_at;

-- name: put_dead_letter
INSERT INTO dead_letters (job_id, tenant, model, code, kind, created_at, redriven_as) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (job_id) DO UPDATE SET redriven_as = excluded.redriven_as;

-- name: newest_dead_letters
SELECT job_id, tenant, model, code, kind, created_at, redriven_as FROM dead_letters
WHERE tenant = ? AND job_id < ? AND (? = '' OR model = ?) AND (? = '' OR code = ?) AND (? = 0 OR redriven_as = '')
ORDER BY job_id DESC LIMIT ?;

-- name: add_to_budget
INSERT INTO budgets (tenant, reserved, spent) VALUES (?, ?, ?)
ON CONFLICT (tenant) DO UPDATE SET reserved = budgets.reserved + excluded.reserved, spent = budgets.spent + excluded.spent;

-- name: put_blob
-- Once somebody has touched it who does not count, its references are unknown, and it stays.
INSERT INTO blobs (tenant, hash, data, touched_at, counted_at, refs) VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT (tenant, hash) DO UPDATE SET
    refs = CASE WHEN blobs.counted_at = blobs.touched_at THEN blobs.refs + 1 END,
    touched_at = excluded.touched_at, counted_at = excluded.counted_at;

-- name: refer
UPDATE blobs SET refs = refs + 1 WHERE tenant = ? AND hash = ?;

-- name: release
UPDATE blobs SET refs = refs - ? WHERE tenant = ? AND hash = ?;

-- name: finished
SELECT {job} FROM jobs WHERE finished_at <= ? AND NOT EXISTS (SELECT 1 FROM open_seals WHERE job_id = jobs.id)
AND (part_of = '' OR NOT EXISTS (SELECT 1 FROM batches WHERE batches.id = jobs.part_of AND open = 1))
ORDER BY finished_at, id LIMIT ?;

-- name: discarded
SELECT {job} FROM jobs WHERE stored = 0 AND deleted = ? AND finished_at <= ?
AND NOT EXISTS (SELECT 1 FROM open_seals WHERE job_id = jobs.id)
AND (part_of = '' OR NOT EXISTS (SELECT 1 FROM batches WHERE batches.id = jobs.part_of AND open = 1))
ORDER BY finished_at, id LIMIT ?;

-- name: attached
SELECT {job} FROM jobs WHERE attached_to = ? AND attached_to <> '' AND status IN ('queued', 'in_progress')
ORDER BY id LIMIT ?;

-- name: sessions
SELECT DISTINCT attached_to FROM jobs WHERE attached_to <> '' AND status IN ('queued', 'in_progress');

-- name: drop_keys
DELETE FROM idempotency_keys WHERE name IN (
    SELECT name FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?
) RETURNING 1;

-- name: put_errand
INSERT INTO outbox (kind, tenant, subject, due_at) VALUES (?, ?, ?, ?);

-- name: drop_errand
DELETE FROM outbox WHERE id = ?;

-- name: postpone_errand
UPDATE outbox SET due_at = ? WHERE id = ?;

-- name: errands
SELECT kind, tenant, subject, id FROM outbox WHERE due_at <= ? ORDER BY due_at, id LIMIT ?;

-- name: open_seal
INSERT INTO open_seals (job_id, tenant) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: drop_seal
DELETE FROM open_seals WHERE job_id = ?;

-- name: unsealed
SELECT {job} FROM jobs WHERE id IN (SELECT job_id FROM open_seals ORDER BY job_id LIMIT ?) ORDER BY id;

-- name: census
-- Each state by an index of its own, so that a start does not read the jobs that have ended.
SELECT topic, tenant, 'ready' AS state, COUNT(*), priority AS class, 0 AS is_suspect, '' AS work, '' AS model, '' AS holder
FROM jobs WHERE step_state = 'ready' AND suspects = '' GROUP BY topic, tenant, priority
UNION ALL
SELECT topic, tenant, 'ready', COUNT(*), priority, 1, '', '', ''
FROM jobs WHERE step_state = 'ready' AND suspects <> '' GROUP BY topic, tenant, priority
UNION ALL
SELECT topic, tenant, 'waiting', COUNT(*), 0, 0, '', '', '' FROM jobs WHERE step_state = 'waiting' GROUP BY topic, tenant
UNION ALL
SELECT topic, tenant, 'claimed', COUNT(*), 0, 0, step, model, worker
FROM jobs WHERE step_state = 'claimed' GROUP BY topic, tenant, step, model, worker;

-- name: next_ready
SELECT ready_at FROM jobs WHERE step_state = 'ready' AND suspects = ''
AND topic = ?1 AND tenant = ?4 AND priority >= ?2 AND priority <= ?3 ORDER BY priority DESC, ready_at LIMIT 1;

-- name: next_suspect
SELECT ready_at FROM jobs WHERE topic = ? AND step_state = 'ready' AND suspects <> '' ORDER BY ready_at LIMIT 1;

-- name: newest_jobs
SELECT {job} FROM jobs
WHERE tenant = ?1 AND deleted = 0 AND id < ?2 AND (CAST(?3 AS TEXT) IS NULL OR status = ?3) AND (CAST(?4 AS TEXT) IS NULL OR model = ?4)
ORDER BY id DESC LIMIT ?5;

-- name: oldest_jobs
SELECT {job} FROM jobs
WHERE tenant = ?1 AND deleted = 0 AND id > ?2 AND (CAST(?3 AS TEXT) IS NULL OR status = ?3) AND (CAST(?4 AS TEXT) IS NULL OR model = ?4)
ORDER BY id LIMIT ?5;
