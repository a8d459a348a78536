-- Jobs that belong to a client's connection or to a conversation, and those that are not to be kept.
ALTER TABLE jobs ADD COLUMN attached_to TEXT NOT NULL DEFAULT '';   -- an ingestion session
ALTER TABLE jobs ADD COLUMN conversation TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN stored INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;     -- shown to nobody; 0 where it is stored
CREATE INDEX attached_jobs ON jobs (attached_to, id) WHERE attached_to <> '' AND status IN ('queued', 'in_progress');
CREATE INDEX discarded_jobs ON jobs (deleted, finished_at, id) WHERE stored = 0 AND finished_at IS NOT NULL;
