-- What differs on Postgres.

-- name: heads
SELECT logs.job_id, fence, seal, last.sequence, last.next_sequence, last.chunk
FROM logs
LEFT JOIN LATERAL (
    SELECT sequence, next_sequence, chunk FROM chunks WHERE job_id = logs.job_id ORDER BY sequence DESC LIMIT 1
) AS last ON TRUE
WHERE logs.job_id = ANY(?);

-- name: read
-- As on SQLite, and no chunk is sent that a page of ?3 bytes has no room for, but one that shows that there is more.
SELECT next_sequence, chunk FROM (
    SELECT sequence, next_sequence, chunk, row_number() OVER log AS place, sum(length(chunk)) OVER log - length(chunk) AS before
    FROM chunks
    WHERE job_id = ?1
        AND sequence >= COALESCE((SELECT MAX(sequence) FROM chunks WHERE job_id = ?1 AND sequence <= ?2 + 1), 0)
        AND next_sequence > ?2 + 1
    WINDOW log AS (ORDER BY sequence)
) AS page
WHERE before <= ?3 OR place = 2
ORDER BY sequence;

-- name: load_schemas
SELECT data FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store (key, data) VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data;
