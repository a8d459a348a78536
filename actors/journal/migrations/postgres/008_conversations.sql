-- Conversations, and what was added to each.
CREATE TABLE conversations (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    metadata text COLLATE "C" NOT NULL,  -- JSON
    holder text COLLATE "C" NOT NULL     -- the open job that adds to it, '' while there is none
);
CREATE TABLE conversation_entries (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,        -- of the job whose turn it is, or of the call that added items
    request text COLLATE "C" NOT NULL,   -- a reference
    result text COLLATE "C",             -- likewise, of a turn
    removed text COLLATE "C" NOT NULL    -- a JSON list of the ids of its items that are there no more
);
CREATE INDEX entries_of_conversation ON conversation_entries (conversation, position);
CREATE UNIQUE INDEX entries_by_id ON conversation_entries (conversation, id);
