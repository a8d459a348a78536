-- What pipelines of more than two steps need: the passages of a job, the end of all attempts of a step, and what a job
-- is a part of.
ALTER TABLE jobs ADD COLUMN context TEXT;                       -- a reference
ALTER TABLE jobs ADD COLUMN part_of TEXT NOT NULL DEFAULT '';   -- a batch or a vector store
ALTER TABLE jobs ADD COLUMN step_ends_at REAL;
CREATE INDEX ending_steps ON jobs (step_ends_at) WHERE step_ends_at IS NOT NULL;
