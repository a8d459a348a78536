-- Uploads in parts. A part is a row of `files`, which names its upload.
ALTER TABLE files ADD COLUMN upload TEXT NOT NULL DEFAULT '';
CREATE INDEX files_of_upload ON files (upload) WHERE upload <> '';
CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    size INTEGER NOT NULL,        -- bytes, as announced
    expires_after_s REAL,         -- of the file
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,     -- of the upload
    status TEXT NOT NULL,
    file TEXT NOT NULL            -- that it has become
) WITHOUT ROWID;
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
