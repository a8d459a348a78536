-- Templates of prompts; their versions never change.
CREATE TABLE templates (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    default_version bigint NOT NULL,
    latest_version bigint NOT NULL,
    created_at double precision NOT NULL
);
CREATE INDEX templates_of_tenant ON templates (tenant, id);
CREATE TABLE template_versions (
    template text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    id text COLLATE "C" NOT NULL,        -- its maker's, so that a repeat is known
    body text COLLATE "C" NOT NULL,      -- JSON
    created_at double precision NOT NULL,
    PRIMARY KEY (template, number)
);
