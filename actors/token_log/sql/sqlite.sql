-- What differs on SQLite.

-- name: heads
SELECT job_id, fence, next_sequence, open, seal FROM json_each(?) AS wanted CROSS JOIN logs ON job_id = wanted.value;

-- name: load_schemas
SELECT value FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
