-- Vector stores, the files attached to them, batches of such files, and what is to leave the index.

-- name: vector_store
SELECT {vector_store} FROM vector_stores WHERE id = ?;

-- name: newest_vector_stores
SELECT {vector_store} FROM vector_stores
WHERE tenant = ? AND deleted = 0 AND id > ? AND id < ? ORDER BY id DESC LIMIT ?;

-- name: oldest_vector_stores
SELECT {vector_store} FROM vector_stores
WHERE tenant = ? AND deleted = 0 AND id > ? AND id < ? ORDER BY id LIMIT ?;

-- name: ending_vector_stores
SELECT {vector_store} FROM vector_stores WHERE ends_at <= ? ORDER BY ends_at LIMIT ?;

-- name: put_vector_store
INSERT INTO vector_stores ({vector_store}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, metadata = excluded.metadata, expires_after_days = excluded.expires_after_days,
    last_active_at = excluded.last_active_at, deleted = excluded.deleted, ends_at = excluded.ends_at,
    version = excluded.version, shrunk = excluded.shrunk, usage_bytes = excluded.usage_bytes,
    in_progress = excluded.in_progress, completed = excluded.completed, failed = excluded.failed,
    cancelled = excluded.cancelled;

-- name: remove_vector_store
DELETE FROM vector_stores WHERE id = ?;

-- name: attachment
SELECT {attachment} FROM attachments WHERE store = ? AND file = ?;

-- name: newest_attachments
SELECT {attachment} FROM attachments
WHERE store = ? AND id > ? AND id < ? AND status = COALESCE(NULLIF(?, ''), status) ORDER BY id DESC LIMIT ?;

-- name: oldest_attachments
SELECT {attachment} FROM attachments
WHERE store = ? AND id > ? AND id < ? AND status = COALESCE(NULLIF(?, ''), status) ORDER BY id LIMIT ?;

-- name: newest_attachments_of_batch
SELECT {attachment} FROM attachments
WHERE file_batch = ? AND file_batch <> '' AND id > ? AND id < ? AND status = COALESCE(NULLIF(?, ''), status)
ORDER BY id DESC LIMIT ?;

-- name: oldest_attachments_of_batch
SELECT {attachment} FROM attachments
WHERE file_batch = ? AND file_batch <> '' AND id > ? AND id < ? AND status = COALESCE(NULLIF(?, ''), status)
ORDER BY id LIMIT ?;

-- name: open_attachments_of_batch
SELECT {attachment} FROM attachments WHERE file_batch = ? AND file_batch <> '' AND status = 'in_progress' ORDER BY id;

-- name: attachments_of_store
SELECT {attachment} FROM attachments WHERE store = ? ORDER BY id LIMIT ?;

-- name: live_attachments
SELECT {attachment} FROM attachments WHERE store = ? AND version > ? AND version > 0;

-- name: put_attachment
INSERT INTO attachments ({attachment}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    attributes = excluded.attributes, status = excluded.status, job = excluded.job, file_batch = excluded.file_batch,
    usage_bytes = excluded.usage_bytes, error_code = excluded.error_code, error_message = excluded.error_message,
    version = excluded.version;

-- name: remove_attachment
DELETE FROM attachments WHERE id = ?;

-- name: file_batch
SELECT {file_batch} FROM file_batches WHERE id = ?;

-- name: put_file_batch
INSERT INTO file_batches ({file_batch}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    is_cancelled = excluded.is_cancelled, in_progress = excluded.in_progress, completed = excluded.completed,
    failed = excluded.failed, cancelled = excluded.cancelled;

-- name: remove_file_batches
DELETE FROM file_batches WHERE store = ?;

-- name: removals
SELECT tenant, store, attachment, id FROM index_removals WHERE due_at <= ? ORDER BY due_at, id LIMIT ?;

-- name: put_removal
INSERT INTO index_removals (tenant, store, attachment, due_at) VALUES (?, ?, ?, ?);

-- name: drop_removal
DELETE FROM index_removals WHERE id = ?;
