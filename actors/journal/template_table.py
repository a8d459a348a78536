"""Templates of prompts in a store: their rows, and the versions of each."""

from collections.abc import Sequence
from typing import Protocol

from actors.journal.disk import Disk
from actors.stores import Reader, Statements
from pipelines.edits import Template, TemplateVersion


class TemplateReader(Protocol):
    """What has been written."""

    def load(self, template: str) -> Template | None:
        """Its row."""

    def of(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page of a tenant's templates, newest first, behind the id `after` where one is given."""

    def versions(self, template: str) -> list[TemplateVersion]:
        """All its versions, by number."""


class TemplateTable(TemplateReader, Protocol):
    """The same in a write transaction."""

    def put(self, row: Template) -> None:
        """A new or changed row."""

    def add(self, version: TemplateVersion) -> None:
        """A new version."""

    def remove(self, template: str) -> None:
        """Forget a template and its versions."""


class SqlTemplateReader:
    """See `TemplateReader`."""

    def __init__(self, statements: Reader) -> None:
        self._reader = statements

    def load(self, template: str) -> Template | None:
        """Its row."""
        rows = self._reader.rows("template", template)
        return Template._make(rows[0]) if rows else None

    def of(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page."""
        edge = after or "\U0010ffff"  # sorts behind every id
        return [Template._make(row) for row in self._reader.rows("newest_templates", tenant, edge, limit)]

    def versions(self, template: str) -> list[TemplateVersion]:
        """All its versions."""
        return [TemplateVersion._make(row) for row in self._reader.rows("template_versions", template)]


class SqlTemplates(SqlTemplateReader):
    """See `TemplateTable`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def put(self, row: Template) -> None:
        """A new or changed row."""
        self._statements.many("put_template", [row])

    def add(self, version: TemplateVersion) -> None:
        """A new version."""
        self._statements.many("add_template_version", [version])

    def remove(self, template: str) -> None:
        """Forget it."""
        for name in ("remove_template", "remove_template_versions"):
            self._statements.many(name, [(template,)])


class MemoryTemplates:
    """See `TemplateTable`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load(self, template: str) -> Template | None:
        """Its row."""
        return self._disk.templates.get(template)

    def of(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page."""
        rows: Sequence[Template] = sorted(self._disk.templates.values(), reverse=True)
        return [row for row in rows if row.tenant == tenant and (not after or row.id < after)][:limit]

    def versions(self, template: str) -> list[TemplateVersion]:
        """All its versions."""
        return list(self._disk.versions.get(template, ()))

    def put(self, row: Template) -> None:
        """A new or changed row."""
        self._disk.templates[row.id] = row

    def add(self, version: TemplateVersion) -> None:
        """A new version."""
        self._disk.versions[version.template] = (*self.versions(version.template), version)

    def remove(self, template: str) -> None:
        """Forget it."""
        self._disk.templates.pop(template, None)
        self._disk.versions.pop(template, None)
