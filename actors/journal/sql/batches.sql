-- Batches and their lines. The id of a line's job lies between those of the two jobs of the batch itself.

-- name: batch
SELECT {batch} FROM batches WHERE id = ?;

-- name: newest_batches
SELECT {batch} FROM batches WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?;

-- name: put_batch
INSERT INTO batches ({batch}) VALUES ({batch_values}) ON CONFLICT (id) DO UPDATE SET {batch_changes};

-- name: overdue_batches
SELECT {batch} FROM batches WHERE open = 1 AND fate = '' AND expires_at <= ?;

-- name: doomed_batches
SELECT {batch} FROM batches WHERE open = 1 AND fate <> '' AND finalizing_at IS NULL ORDER BY expires_at LIMIT 1;

-- name: lines
SELECT {job} FROM jobs WHERE id > ? AND id < ? ORDER BY id LIMIT ?;

-- name: open_lines
SELECT {job} FROM jobs WHERE id > ? AND id < ? AND status IN ('queued', 'in_progress') ORDER BY id LIMIT ?;
