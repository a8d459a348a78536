-- Files that clients have uploaded. Their contents are in the object storage.
CREATE TABLE files (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    filename text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    size bigint,                    -- bytes; NULL until the content is stored
    created_at double precision NOT NULL,
    expires_at double precision     -- of one without content: when that is given up
);
CREATE INDEX files_of_tenant ON files (tenant, id);
CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
