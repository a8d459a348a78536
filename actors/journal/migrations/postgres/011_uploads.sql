-- Uploads in parts. A part is a row of `files`, which names its upload.
ALTER TABLE files ADD COLUMN upload text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX files_of_upload ON files (upload) WHERE upload <> '';
CREATE TABLE uploads (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    filename text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    size bigint NOT NULL,                    -- bytes, as announced
    expires_after_s double precision,        -- of the file
    created_at double precision NOT NULL,
    expires_at double precision NOT NULL,    -- of the upload
    status text COLLATE "C" NOT NULL,
    file text COLLATE "C" NOT NULL           -- that it has become
);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
