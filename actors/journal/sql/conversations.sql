-- Conversations and their entries.

-- name: conversation
SELECT id, tenant, created_at, metadata, holder FROM conversations WHERE id = ?;

-- name: put_conversation
INSERT INTO conversations (id, tenant, created_at, metadata, holder) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, holder = excluded.holder;

-- name: remove_conversation
DELETE FROM conversations WHERE id = ?;

-- name: remove_entries
DELETE FROM conversation_entries WHERE conversation = ?;

-- name: entries
SELECT id, request, result, removed FROM conversation_entries WHERE conversation = ? ORDER BY position;

-- name: entry
SELECT id, request, result, removed FROM conversation_entries WHERE conversation = ? AND id = ?;

-- name: append_entry
INSERT INTO conversation_entries (conversation, id, request, result, removed) VALUES (?, ?, ?, ?, ?);

-- name: change_entry
UPDATE conversation_entries SET removed = ? WHERE conversation = ? AND id = ?;
