-- Files that clients have uploaded. Their contents are in the object storage.
CREATE TABLE files (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    size INTEGER,            -- bytes; NULL until the content is stored
    created_at REAL NOT NULL,
    expires_at REAL          -- of one without content: when that is given up
) WITHOUT ROWID;
CREATE INDEX files_of_tenant ON files (tenant, id);
CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
