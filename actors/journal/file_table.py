"""Files and uploads in a store: a row each. Their contents are elsewhere (`actors/objects.py`)."""

from collections.abc import Sequence
from typing import Protocol

from actors.journal.disk import Disk
from actors.journal.protocol import FileQuery
from actors.stores import Reader, Statements
from pipelines.edits import File, Upload

_LAST = "\U0010ffff"  # sorts behind every id


class FileReader(Protocol):
    """What has been written."""

    def load(self, file: str) -> File | None:
        """Its row, also one without content or past its time."""

    def page(self, query: FileQuery, now: float) -> list[File]:
        """A page of those that are there now."""

    def parts(self, upload: str) -> list[File]:
        """The parts of an upload, also those without content."""

    def load_upload(self, upload: str) -> Upload | None:
        """Its row."""


class FileTable(FileReader, Protocol):
    """The same in a write transaction."""

    def many(self, files: Sequence[str]) -> list[File]:
        """Those that have rows."""

    def lapsed(self, now: float, limit: int) -> list[File]:
        """Those whose time is over."""

    def put(self, row: File) -> None:
        """A new or changed row."""

    def remove(self, files: Sequence[str]) -> None:
        """Forget these rows."""

    def put_upload(self, row: Upload) -> None:
        """A new or changed row."""

    def remove_uploads(self, until: float) -> None:
        """Forget the rows of uploads whose time was over then."""


class SqlFileReader:
    """See `FileReader`."""

    def __init__(self, statements: Reader) -> None:
        self._reader = statements

    def load(self, file: str) -> File | None:
        """Its row."""
        rows = self._reader.rows("file", file)
        return File._make(rows[0]) if rows else None

    def page(self, query: FileQuery, now: float) -> list[File]:
        """A page."""
        name, edge = ("oldest_files", "") if query.ascending else ("newest_files", _LAST)
        values = (query.tenant, query.after or edge, query.purpose, now, query.limit)
        return [File._make(row) for row in self._reader.rows(name, *values)]

    def parts(self, upload: str) -> list[File]:
        """The parts of an upload."""
        return [File._make(row) for row in self._reader.rows("parts", upload)]

    def load_upload(self, upload: str) -> Upload | None:
        """Its row."""
        rows = self._reader.rows("upload", upload)
        return Upload._make(rows[0]) if rows else None


class SqlFiles(SqlFileReader):
    """See `FileTable`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def many(self, files: Sequence[str]) -> list[File]:
        """Those that have rows."""
        return [File._make(row) for row in self._statements.rows("files", list(files))] if files else []

    def lapsed(self, now: float, limit: int) -> list[File]:
        """Those whose time is over."""
        return [File._make(row) for row in self._statements.rows("lapsed_files", now, limit)]

    def put(self, row: File) -> None:
        """A new or changed row."""
        self._statements.many("put_file", [row])

    def remove(self, files: Sequence[str]) -> None:
        """Forget these rows."""
        self._statements.many("remove_file", [(file,) for file in files])

    def put_upload(self, row: Upload) -> None:
        """A new or changed row."""
        self._statements.many("put_upload", [row])

    def remove_uploads(self, until: float) -> None:
        """Forget those whose time was over then."""
        self._statements.many("remove_uploads", [(until,)])


class MemoryFiles:
    """See `FileTable`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load(self, file: str) -> File | None:
        """Its row."""
        return self._disk.files.get(file)

    def page(self, query: FileQuery, now: float) -> list[File]:
        """A page."""
        there = [row for row in self._disk.files.values() if _is_there(row, query, now)]
        return sorted(there, reverse=not query.ascending)[: query.limit]

    def parts(self, upload: str) -> list[File]:
        """The parts of an upload."""
        return sorted(row for row in self._disk.files.values() if row.upload == upload)

    def load_upload(self, upload: str) -> Upload | None:
        """Its row."""
        return self._disk.uploads.get(upload)

    def many(self, files: Sequence[str]) -> list[File]:
        """Those that have rows."""
        return [self._disk.files[file] for file in files if file in self._disk.files]

    def lapsed(self, now: float, limit: int) -> list[File]:
        """Those whose time is over."""
        rows = self._disk.files.values()
        return [row for row in rows if row.expires_at is not None and row.expires_at <= now][:limit]

    def put(self, row: File) -> None:
        """A new or changed row."""
        self._disk.files[row.id] = row

    def remove(self, files: Sequence[str]) -> None:
        """Forget these rows."""
        for file in files:
            self._disk.files.pop(file, None)

    def put_upload(self, row: Upload) -> None:
        """A new or changed row."""
        self._disk.uploads[row.id] = row

    def remove_uploads(self, until: float) -> None:
        """Forget those whose time was over then."""
        self._disk.uploads = {id_: row for id_, row in self._disk.uploads.items() if row.expires_at > until}


def _is_there(row: File, query: FileQuery, now: float) -> bool:
    after = not query.after or (row.id > query.after if query.ascending else row.id < query.after)
    mine = row.tenant == query.tenant and query.purpose in ("", row.purpose)
    return (
        after and mine and not row.upload and row.size is not None and (row.expires_at is None or row.expires_at > now)
    )
