-- Files that clients have uploaded.

-- name: file
SELECT id, tenant, filename, purpose, size, created_at, expires_at FROM files WHERE id = ?;

-- name: newest_files
SELECT id, tenant, filename, purpose, size, created_at, expires_at FROM files
WHERE tenant = ? AND id < ? AND purpose = COALESCE(NULLIF(?, ''), purpose)
    AND size IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)
ORDER BY id DESC LIMIT ?;

-- name: oldest_files
SELECT id, tenant, filename, purpose, size, created_at, expires_at FROM files
WHERE tenant = ? AND id > ? AND purpose = COALESCE(NULLIF(?, ''), purpose)
    AND size IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)
ORDER BY id LIMIT ?;

-- name: lapsed_files
SELECT id, tenant, filename, purpose, size, created_at, expires_at FROM files
WHERE expires_at <= ? ORDER BY expires_at LIMIT ?;

-- name: put_file
INSERT INTO files (id, tenant, filename, purpose, size, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET size = excluded.size, expires_at = excluded.expires_at;

-- name: remove_file
DELETE FROM files WHERE id = ?;
