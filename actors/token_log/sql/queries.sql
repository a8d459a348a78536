-- Every statement of the token log that is the same in all SQL stores, and those of SQLite.

-- name: put_head
-- `next_sequence` and `open` have no meaning any more: the last chunk tells both.
INSERT INTO logs (job_id, fence, next_sequence, open, seal) VALUES (?, ?, 0, FALSE, ?)
ON CONFLICT (job_id) DO UPDATE SET fence = excluded.fence, seal = excluded.seal;

-- name: add_row
INSERT INTO chunks (job_id, sequence, next_sequence, chunk) VALUES (?, ?, ?, ?);

-- name: drop_rows
DELETE FROM chunks WHERE job_id = ? AND sequence >= ?;

-- name: forget_chunks
DELETE FROM chunks WHERE job_id = ?;

-- name: forget_head
DELETE FROM logs WHERE job_id = ?;

-- name: chunk
SELECT chunk FROM chunks WHERE job_id = ? AND sequence = ?;

-- name: rows
SELECT job_id, sequence, next_sequence, chunk FROM chunks WHERE job_id = ? ORDER BY sequence;

-- name: seal
SELECT seal FROM logs WHERE job_id = ?;

-- name: read
-- From the chunk that holds the number after the cursor; found by its first number, which the key is sorted by.
SELECT next_sequence, chunk FROM chunks
WHERE job_id = ?1
    AND sequence >= COALESCE((SELECT MAX(sequence) FROM chunks WHERE job_id = ?1 AND sequence <= ?2 + 1), 0)
    AND next_sequence > ?2 + 1
ORDER BY sequence;
