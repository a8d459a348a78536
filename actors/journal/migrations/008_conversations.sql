-- Conversations, and what was added to each.
CREATE TABLE conversations (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    created_at REAL NOT NULL,
    metadata TEXT NOT NULL,  -- JSON
    holder TEXT NOT NULL     -- the open job that adds to it, '' while there is none
) WITHOUT ROWID;
CREATE TABLE conversation_entries (
    position INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    id TEXT NOT NULL,        -- of the job whose turn it is, or of the call that added items
    request TEXT NOT NULL,   -- a reference
    result TEXT,             -- likewise, of a turn
    removed TEXT NOT NULL    -- a JSON list of the ids of its items that are there no more
);
CREATE INDEX entries_of_conversation ON conversation_entries (conversation, position);
CREATE UNIQUE INDEX entries_by_id ON conversation_entries (conversation, id);
