-- Vector stores, the files attached to them, batches of such files, and what is to leave the index. The index itself is
-- elsewhere.
CREATE TABLE vector_stores (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    metadata text COLLATE "C" NOT NULL,  -- JSON
    expires_after_days bigint,           -- after `last_active_at`
    created_at double precision NOT NULL,
    last_active_at double precision NOT NULL,
    deleted bigint NOT NULL,             -- shown to nobody; goes when it is empty
    ends_at double precision,            -- when its files go; NULL also once they have gone
    version bigint NOT NULL,             -- rises when a search may find something else
    shrunk bigint NOT NULL,              -- the last version that took something away
    usage_bytes bigint NOT NULL,
    in_progress bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    cancelled bigint NOT NULL
);
CREATE INDEX vector_stores_of_tenant ON vector_stores (tenant, id);
CREATE INDEX vector_stores_by_end ON vector_stores (ends_at) WHERE ends_at IS NOT NULL;

CREATE TABLE attachments (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    store text COLLATE "C" NOT NULL,
    file text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    filename text COLLATE "C" NOT NULL,
    attributes text COLLATE "C" NOT NULL,  -- JSON
    chunk_tokens bigint NOT NULL,
    overlap_tokens bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    job text COLLATE "C" NOT NULL,         -- that indexes it
    file_batch text COLLATE "C" NOT NULL,  -- "": attached alone
    usage_bytes bigint NOT NULL,
    error_code text COLLATE "C" NOT NULL,
    error_message text COLLATE "C" NOT NULL,
    version bigint NOT NULL                -- the store's when a search found it last as it is; 0: it does not
);
CREATE UNIQUE INDEX attachments_of_store ON attachments (store, file);
CREATE INDEX attachments_in_order ON attachments (store, id);
CREATE INDEX attachments_of_file ON attachments (file);
CREATE INDEX attachments_of_batch ON attachments (file_batch, id) WHERE file_batch <> '';
CREATE INDEX live_attachments ON attachments (store, version) WHERE version > 0;

CREATE TABLE file_batches (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    is_cancelled bigint NOT NULL,
    in_progress bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    cancelled bigint NOT NULL
);
CREATE INDEX file_batches_of_store ON file_batches (store);

CREATE TABLE index_removals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    attachment text COLLATE "C" NOT NULL,  -- "": all of the store
    due_at double precision NOT NULL
);
CREATE INDEX index_removals_by_due ON index_removals (due_at, id);
