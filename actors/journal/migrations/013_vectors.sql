-- Vector stores, the files attached to them, batches of such files, and what is to leave the index. The index itself is
-- elsewhere.
CREATE TABLE vector_stores (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,      -- JSON
    expires_after_days INTEGER,  -- after `last_active_at`
    created_at REAL NOT NULL,
    last_active_at REAL NOT NULL,
    deleted INTEGER NOT NULL,    -- shown to nobody; goes when it is empty
    ends_at REAL,                -- when its files go; NULL also once they have gone
    version INTEGER NOT NULL,    -- rises when a search may find something else
    shrunk INTEGER NOT NULL,     -- the last version that took something away
    usage_bytes INTEGER NOT NULL,
    in_progress INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX vector_stores_of_tenant ON vector_stores (tenant, id);
CREATE INDEX vector_stores_by_end ON vector_stores (ends_at) WHERE ends_at IS NOT NULL;

CREATE TABLE attachments (
    id TEXT NOT NULL PRIMARY KEY,
    store TEXT NOT NULL,
    file TEXT NOT NULL,
    tenant TEXT NOT NULL,
    filename TEXT NOT NULL,
    attributes TEXT NOT NULL,        -- JSON
    chunk_tokens INTEGER NOT NULL,
    overlap_tokens INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    job TEXT NOT NULL,               -- that indexes it
    file_batch TEXT NOT NULL,        -- "": attached alone
    usage_bytes INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    error_message TEXT NOT NULL,
    version INTEGER NOT NULL         -- the store's when a search found it last as it is; 0: it does not
) WITHOUT ROWID;
CREATE UNIQUE INDEX attachments_of_store ON attachments (store, file);
CREATE INDEX attachments_in_order ON attachments (store, id);
CREATE INDEX attachments_of_file ON attachments (file);
CREATE INDEX attachments_of_batch ON attachments (file_batch, id) WHERE file_batch <> '';
CREATE INDEX live_attachments ON attachments (store, version) WHERE version > 0;

CREATE TABLE file_batches (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    store TEXT NOT NULL,
    created_at REAL NOT NULL,
    is_cancelled INTEGER NOT NULL,
    in_progress INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX file_batches_of_store ON file_batches (store);

CREATE TABLE index_removals (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    store TEXT NOT NULL,
    attachment TEXT NOT NULL,  -- "": all of the store
    due_at REAL NOT NULL
);
CREATE INDEX index_removals_by_due ON index_removals (due_at, id);
