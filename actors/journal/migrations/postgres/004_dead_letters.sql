-- Jobs that were given up, and what became of them.
ALTER TABLE jobs ADD COLUMN redrive_of text COLLATE "C" NOT NULL DEFAULT '';
CREATE TABLE dead_letters (
    job_id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,         -- class of the exception
    created_at double precision NOT NULL,
    redriven_as text COLLATE "C" NOT NULL   -- the job that does it again, '' while there is none
);
CREATE INDEX dead_letters_of_tenant ON dead_letters (tenant, job_id);
