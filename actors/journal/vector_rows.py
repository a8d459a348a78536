"""The rows of vector stores as the commands of one batch have left them so far; read once, and written at a flush.

Invariants: a store and a file batch count the attachments that are there; a store's version rises with every change of
what a search may find, and the attachment that has changed bears it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from actors.journal.vector_table import VectorTable
from pipelines.jobs import Status
from pipelines.vector_edits import Attachment, FileBatch, VectorStore

R = TypeVar("R", VectorStore, Attachment, FileBatch)


class _Attached(NamedTuple):
    """An attachment that counts (+1), or counts no more (-1)."""

    row: Attachment
    by: int


class VectorRows:
    """One batch's."""

    def __init__(self, table: VectorTable) -> None:
        self._table = table
        self._stores: dict[str, VectorStore | None] = {}
        self._attachments: dict[str, Attachment | None] = {}
        self._batches: dict[str, FileBatch | None] = {}
        self._changed: dict[str, None] = {}  # ids of rows of any kind
        self._gone: list[str] = []  # attachments

    def store(self, store: str) -> VectorStore | None:
        """A store's row, also where it is deleted or expired."""
        if store not in self._stores:
            self._stores[store] = self._table.store(store)
        return self._stores[store]

    def attachment(self, attachment: str) -> Attachment | None:
        """An attachment's row."""
        if attachment not in self._attachments:
            self.load([attachment])
        return self._attachments[attachment]

    def batch(self, file_batch: str) -> FileBatch | None:
        """A file batch's row."""
        if file_batch not in self._batches:
            self._batches[file_batch] = self._table.file_batch(file_batch)
        return self._batches[file_batch]

    def load(self, attachments: Iterable[str]) -> None:
        """Read these at once."""
        wanted = [attachment for attachment in attachments if attachment not in self._attachments]
        self._attachments.update(dict.fromkeys(wanted))
        self.know(self._table.by_ids(wanted))

    def know(self, rows: Iterable[Attachment]) -> None:
        """These were read after a flush."""
        self._attachments.update((row.id, row) for row in rows)

    def put_store(self, row: VectorStore) -> None:
        """A store is new, or another."""
        self._stores[row.id] = row
        self._changed[row.id] = None

    def put_batch(self, row: FileBatch) -> None:
        """A file batch is new, or another."""
        self._batches[row.id] = row
        self._changed[row.id] = None

    def replace(self, before: Attachment | None, after: Attachment | None) -> None:
        """An attachment is new, another, or gone."""
        changes = [_Attached(row, by) for row, by in ((before, -1), (after, 1)) if row is not None]
        for change in changes:
            self._count(change)
        if any(change.row.status is Status.COMPLETED for change in changes):
            version = self._raise_version(changes[0].row.store, shrinks=after is None)
            after = after and after._replace(version=version)
        if after is not None:
            self._attachments[after.id] = after
            self._changed[after.id] = None
        elif before is not None:
            self._attachments[before.id] = None
            self._gone.append(before.id)

    def forget_store(self, store: str) -> None:
        """Its row is removed by the caller."""
        self._stores[store] = None

    def flush(self) -> None:
        """Write what has changed."""
        self._table.remove_attachments(self._gone)
        self._table.put_stores(self._changed_in(self._stores))
        self._table.put_attachments(self._changed_in(self._attachments))
        self._table.put_batches(self._changed_in(self._batches))
        self._changed, self._gone = {}, []

    def _changed_in(self, rows: dict[str, R | None]) -> Sequence[R]:
        return [row for name in self._changed if (row := rows.get(name)) is not None]

    def _count(self, change: _Attached) -> None:
        row, by = change
        store, batch = self.store(row.store), self.batch(row.file_batch) if row.file_batch else None
        if store is not None:
            usage = store.usage_bytes + by * row.usage_bytes
            self.put_store(store._replace(usage_bytes=usage, counts=store.counts.add(row.status, by)))
        if batch is not None:
            self.put_batch(batch._replace(counts=batch.counts.add(row.status, by)))

    def _raise_version(self, name: str, *, shrinks: bool) -> int:
        store = self.store(name)
        if store is None:
            return 0
        version = store.version + 1
        self.put_store(store._replace(version=version, shrunk=version if shrinks else store.shrunk))
        return version
