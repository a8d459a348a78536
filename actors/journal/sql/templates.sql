-- Templates of prompts and their versions.

-- name: template
SELECT id, tenant, name, default_version, latest_version, created_at FROM templates WHERE id = ?;

-- name: newest_templates
SELECT id, tenant, name, default_version, latest_version, created_at FROM templates
WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?;

-- name: template_versions
SELECT template, number, id, body, created_at FROM template_versions WHERE template = ? ORDER BY number;

-- name: put_template
INSERT INTO templates (id, tenant, name, default_version, latest_version, created_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET default_version = excluded.default_version, latest_version = excluded.latest_version;

-- name: add_template_version
INSERT INTO template_versions (template, number, id, body, created_at) VALUES (?, ?, ?, ?, ?);

-- name: remove_template
DELETE FROM templates WHERE id = ?;

-- name: remove_template_versions
DELETE FROM template_versions WHERE template = ?;
