-- What differs on SQLite.

-- name: heads
SELECT logs.job_id, fence, seal, sequence, chunks.next_sequence, chunk
FROM json_each(?) AS wanted
CROSS JOIN logs ON logs.job_id = wanted.value
LEFT JOIN chunks ON
    chunks.job_id = logs.job_id AND sequence = (SELECT MAX(sequence) FROM chunks WHERE job_id = logs.job_id);

-- name: load_schemas
SELECT value FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
