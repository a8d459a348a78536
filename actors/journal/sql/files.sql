-- Files that clients have uploaded, and uploads in parts.

-- name: file
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files WHERE id = ?;

-- name: newest_files
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files
WHERE tenant = ? AND id < ? AND purpose = COALESCE(NULLIF(?, ''), purpose)
    AND upload = '' AND size IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)
ORDER BY id DESC LIMIT ?;

-- name: oldest_files
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files
WHERE tenant = ? AND id > ? AND purpose = COALESCE(NULLIF(?, ''), purpose)
    AND upload = '' AND size IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)
ORDER BY id LIMIT ?;

-- name: lapsed_files
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files
WHERE expires_at <= ? ORDER BY expires_at LIMIT ?;

-- name: put_file
INSERT INTO files (id, tenant, filename, purpose, size, created_at, expires_at, upload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET size = excluded.size, expires_at = excluded.expires_at;

-- name: remove_file
DELETE FROM files WHERE id = ?;

-- name: parts
SELECT id, tenant, filename, purpose, size, created_at, expires_at, upload FROM files WHERE upload = ? ORDER BY id;

-- name: upload
SELECT id, tenant, filename, purpose, size, expires_after_s, created_at, expires_at, status, file
FROM uploads WHERE id = ?;

-- name: put_upload
INSERT INTO uploads
    (id, tenant, filename, purpose, size, expires_after_s, created_at, expires_at, status, file)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, file = excluded.file;

-- name: remove_uploads
DELETE FROM uploads WHERE expires_at <= ?;
