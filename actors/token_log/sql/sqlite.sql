-- What differs on SQLite.

-- name: load_schemas
SELECT value FROM store WHERE key = 'schemas';

-- name: save_schemas
INSERT INTO store VALUES ('schemas', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
