"""Vector stores in a SQL store of the journal: stores, attachments, file batches, and what is to leave the index."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from actors.stores import Reader, Statements
from pipelines.jobs import Status
from pipelines.vector_edits import Attachment, FileBatch, FileCounts, Removal, VectorStore


class Span(NamedTuple):
    """Ids between two others, which are not among them, and how many of those that come first in this order."""

    low: str
    high: str
    ascending: bool
    limit: int


class VectorReader(Protocol):
    """What has been written."""

    def store(self, store: str) -> VectorStore | None:
        """Its row, also where it is deleted or expired."""

    def stores(self, tenant: str, span: Span) -> list[VectorStore]:
        """Those that are not deleted."""

    def attachment(self, store: str, file: str) -> Attachment | None:
        """A file in a store."""

    def attachments(self, store: str, span: Span, *, file_batch: str, status: str) -> list[Attachment]:
        """Files in a store, of a batch and with a status where these are named."""

    def live(self, store: str, since: int) -> list[Attachment]:
        """What a search may find, and has found otherwise or not at all before this version of the store."""

    def file_batch(self, file_batch: str) -> FileBatch | None:
        """Its row."""

    def removals(self, now: float, limit: int) -> list[Removal]:
        """Those whose time has come, oldest first."""


class VectorTable(VectorReader, Protocol):
    """The same in a write transaction."""

    def by_ids(self, attachments: Sequence[str]) -> list[Attachment]:
        """Those that exist."""

    def by_files(self, store: str, files: Sequence[str]) -> list[Attachment]:
        """Those of the files that are in the store."""

    def with_files(self, files: Sequence[str]) -> list[Attachment]:
        """These files in any store."""

    def open_in_batch(self, file_batch: str) -> list[Attachment]:
        """Those that are in progress."""

    def of_store(self, store: str, limit: int) -> list[Attachment]:
        """The first ones of a store."""

    def ending(self, now: float, limit: int) -> list[VectorStore]:
        """Stores whose files are to be removed."""

    def put_stores(self, rows: Iterable[VectorStore]) -> None:
        """New or changed rows."""

    def put_attachments(self, rows: Iterable[Attachment]) -> None:
        """New or changed rows."""

    def put_batches(self, rows: Iterable[FileBatch]) -> None:
        """New or changed rows."""

    def remove_attachments(self, attachments: Iterable[str]) -> None:
        """Forget these rows."""

    def remove_batches(self, store: str) -> None:
        """Forget those of a store."""

    def remove_store(self, store: str) -> None:
        """Forget the row."""

    def put_removals(self, rows: Iterable[Removal], due_at: float) -> None:
        """New ones."""

    def drop_removals(self, ids: Iterable[int]) -> None:
        """Those that were carried out."""


class SqlVectorReader:
    """See `VectorReader`."""

    def __init__(self, statements: Reader) -> None:
        self._reader = statements

    def store(self, store: str) -> VectorStore | None:
        """Its row."""
        rows = self._reader.rows("vector_store", store)
        return _store(rows[0]) if rows else None

    def stores(self, tenant: str, span: Span) -> list[VectorStore]:
        """Those that are not deleted."""
        name = "oldest_vector_stores" if span.ascending else "newest_vector_stores"
        return [_store(row) for row in self._reader.rows(name, tenant, span.low, span.high, span.limit)]

    def attachment(self, store: str, file: str) -> Attachment | None:
        """A file in a store."""
        rows = self._reader.rows("attachment", store, file)
        return _attachment(rows[0]) if rows else None

    def attachments(self, store: str, span: Span, *, file_batch: str, status: str) -> list[Attachment]:
        """Files in a store."""
        name = "oldest_attachments" if span.ascending else "newest_attachments"
        if file_batch:
            name += "_of_batch"
        return self._rows(name, file_batch or store, span.low, span.high, status, span.limit)

    def live(self, store: str, since: int) -> list[Attachment]:
        """What a search may find."""
        return self._rows("live_attachments", store, since)

    def file_batch(self, file_batch: str) -> FileBatch | None:
        """Its row."""
        rows = self._reader.rows("file_batch", file_batch)
        return _batch(rows[0]) if rows else None

    def removals(self, now: float, limit: int) -> list[Removal]:
        """Those whose time has come."""
        return [Removal._make(row) for row in self._reader.rows("removals", now, limit)]

    def _rows(self, name: str, *values: Any) -> list[Attachment]:
        return [_attachment(row) for row in self._reader.rows(name, *values)]


class SqlVectors(SqlVectorReader):
    """See `VectorTable`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def by_ids(self, attachments: Sequence[str]) -> list[Attachment]:
        """Those that exist."""
        return self._rows("attachments_by_id", list(attachments)) if attachments else []

    def by_files(self, store: str, files: Sequence[str]) -> list[Attachment]:
        """Those of the files that are in the store."""
        return self._rows("attachments_by_file", store, list(files)) if files else []

    def with_files(self, files: Sequence[str]) -> list[Attachment]:
        """These files in any store."""
        return self._rows("attachments_with_files", list(files)) if files else []

    def open_in_batch(self, file_batch: str) -> list[Attachment]:
        """Those that are in progress."""
        return self._rows("open_attachments_of_batch", file_batch)

    def of_store(self, store: str, limit: int) -> list[Attachment]:
        """The first ones of a store."""
        return self._rows("attachments_of_store", store, limit)

    def ending(self, now: float, limit: int) -> list[VectorStore]:
        """Stores whose files are to be removed."""
        return [_store(row) for row in self._statements.rows("ending_vector_stores", now, limit)]

    def put_stores(self, rows: Iterable[VectorStore]) -> None:
        """New or changed rows."""
        values = [(*row[:8], int(row.deleted), *row[9:-1], *row.counts) for row in rows]
        self._statements.many("put_vector_store", values)

    def put_attachments(self, rows: Iterable[Attachment]) -> None:
        """New or changed rows."""
        self._statements.many("put_attachment", list(rows))

    def put_batches(self, rows: Iterable[FileBatch]) -> None:
        """New or changed rows."""
        self._statements.many("put_file_batch", [(*row[:4], int(row.cancelled), *row.counts) for row in rows])

    def remove_attachments(self, attachments: Iterable[str]) -> None:
        """Forget these rows."""
        self._statements.many("remove_attachment", [(attachment,) for attachment in attachments])

    def remove_batches(self, store: str) -> None:
        """Forget those of a store."""
        self._statements.many("remove_file_batches", [(store,)])

    def remove_store(self, store: str) -> None:
        """Forget the row."""
        self._statements.many("remove_vector_store", [(store,)])

    def put_removals(self, rows: Iterable[Removal], due_at: float) -> None:
        """New ones."""
        self._statements.many("put_removal", [(row.tenant, row.store, row.attachment, due_at) for row in rows])

    def drop_removals(self, ids: Iterable[int]) -> None:
        """Those that were carried out."""
        self._statements.many("drop_removal", [(removal,) for removal in ids])


def _store(row: Sequence[Any]) -> VectorStore:
    return VectorStore._make([*row[:8], bool(row[8]), *row[9:-4], FileCounts(*row[-4:])])


def _attachment(row: Sequence[Any]) -> Attachment:
    attachment = Attachment._make(row)
    return attachment._replace(status=Status(attachment.status))


def _batch(row: Sequence[Any]) -> FileBatch:
    return FileBatch._make([*row[:4], bool(row[4]), FileCounts(*row[5:])])
