-- What pipelines of more than two steps need: the passages of a job, the end of all attempts of a step, and what a job
-- is a part of.
ALTER TABLE jobs ADD COLUMN context text COLLATE "C";                       -- a reference
ALTER TABLE jobs ADD COLUMN part_of text COLLATE "C" NOT NULL DEFAULT '';   -- a batch or a vector store
ALTER TABLE jobs ADD COLUMN step_ends_at double precision;
CREATE INDEX ending_steps ON jobs (step_ends_at) WHERE step_ends_at IS NOT NULL;
