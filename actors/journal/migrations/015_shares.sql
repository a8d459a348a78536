-- What tenants' shares are made of, and how the next step of each tenant is found. An older process goes on without the
-- index of before: it sorts the steps that are ready at each claim.
ALTER TABLE jobs ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;       -- about, until the prompt is rendered
ALTER TABLE jobs ADD COLUMN max_output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN promotion INTEGER NOT NULL DEFAULT 0;          -- by so much its priority was raised
CREATE INDEX turns ON jobs (topic, tenant, priority DESC, ready_at, id) WHERE step_state = 'ready' AND suspects = '';
DROP INDEX ready_steps;
