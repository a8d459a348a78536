-- Jobs that were given up, and what became of them.
ALTER TABLE jobs ADD COLUMN redrive_of TEXT NOT NULL DEFAULT '';
CREATE TABLE dead_letters (
    job_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    model TEXT NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,                -- class of the exception
    created_at DOUBLE PRECISION NOT NULL,
    redriven_as TEXT COLLATE "C" NOT NULL  -- the job that does it again, '' while there is none
);
CREATE INDEX dead_letters_of_tenant ON dead_letters (tenant, job_id);
