-- Templates of prompts; their versions never change.
CREATE TABLE templates (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    default_version INTEGER NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX templates_of_tenant ON templates (tenant, id);
CREATE TABLE template_versions (
    template TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,        -- its maker's, so that a repeat is known
    body TEXT NOT NULL,      -- JSON
    created_at REAL NOT NULL,
    PRIMARY KEY (template, number)
) WITHOUT ROWID;
