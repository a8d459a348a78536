"""Vector stores in the memory store of the journal."""

from collections.abc import Callable, Iterable, Sequence

from actors.journal.disk import Disk
from actors.journal.vector_table import Span
from pipelines.jobs import Status
from pipelines.vector_edits import Attachment, FileBatch, Removal, VectorStore


class MemoryVectors:
    """See `vector_table.VectorTable`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def store(self, store: str) -> VectorStore | None:
        """Its row."""
        return self._disk.vector_stores.get(store)

    def stores(self, tenant: str, span: Span) -> list[VectorStore]:
        """Those that are not deleted."""
        rows = self._disk.vector_stores.values()
        found = [row for row in rows if row.tenant == tenant and not row.deleted and span.low < row.id < span.high]
        return sorted(found, reverse=not span.ascending)[: span.limit]

    def attachment(self, store: str, file: str) -> Attachment | None:
        """A file in a store."""
        return next(iter(self.by_files(store, [file])), None)

    def attachments(self, store: str, span: Span, *, file_batch: str, status: str) -> list[Attachment]:
        """Files in a store."""
        found = self._where(
            lambda row: (
                row.store == store
                and span.low < row.id < span.high
                and file_batch in ("", row.file_batch)
                and status in ("", row.status)
            )
        )
        return sorted(found, reverse=not span.ascending)[: span.limit]

    def live(self, store: str, since: int) -> list[Attachment]:
        """What a search may find."""
        return self._where(lambda row: row.store == store and row.version > since)

    def file_batch(self, file_batch: str) -> FileBatch | None:
        """Its row."""
        return self._disk.file_batches.get(file_batch)

    def removals(self, now: float, limit: int) -> list[Removal]:
        """Those whose time has come."""
        due = sorted((due_at, row.id) for due_at, row in self._disk.removals.values() if due_at <= now)
        return [self._disk.removals[removal][1] for _, removal in due[:limit]]

    def by_ids(self, attachments: Sequence[str]) -> list[Attachment]:
        """Those that exist."""
        return [self._disk.attachments[name] for name in attachments if name in self._disk.attachments]

    def by_files(self, store: str, files: Sequence[str]) -> list[Attachment]:
        """Those of the files that are in the store."""
        return self._where(lambda row: row.store == store and row.file in files)

    def with_files(self, files: Sequence[str]) -> list[Attachment]:
        """These files in any store."""
        return self._where(lambda row: row.file in files)

    def open_in_batch(self, file_batch: str) -> list[Attachment]:
        """Those that are in progress."""
        return self._where(lambda row: row.file_batch == file_batch and row.status is Status.IN_PROGRESS)

    def of_store(self, store: str, limit: int) -> list[Attachment]:
        """The first ones of a store."""
        return self._where(lambda row: row.store == store)[:limit]

    def ending(self, now: float, limit: int) -> list[VectorStore]:
        """Stores whose files are to be removed."""
        rows = self._disk.vector_stores.values()
        return [row for row in rows if row.ends_at is not None and row.ends_at <= now][:limit]

    def put_stores(self, rows: Iterable[VectorStore]) -> None:
        """New or changed rows."""
        self._disk.vector_stores.update((row.id, row) for row in rows)

    def put_attachments(self, rows: Iterable[Attachment]) -> None:
        """New or changed rows."""
        self._disk.attachments.update((row.id, row) for row in rows)

    def put_batches(self, rows: Iterable[FileBatch]) -> None:
        """New or changed rows."""
        self._disk.file_batches.update((row.id, row) for row in rows)

    def remove_attachments(self, attachments: Iterable[str]) -> None:
        """Forget these rows."""
        for attachment in attachments:
            self._disk.attachments.pop(attachment, None)

    def remove_batches(self, store: str) -> None:
        """Forget those of a store."""
        batches = self._disk.file_batches
        self._disk.file_batches = {name: row for name, row in batches.items() if row.store != store}

    def remove_store(self, store: str) -> None:
        """Forget the row."""
        self._disk.vector_stores.pop(store, None)

    def put_removals(self, rows: Iterable[Removal], due_at: float) -> None:
        """New ones."""
        for row in rows:
            self._disk.removals_put += 1
            self._disk.removals[self._disk.removals_put] = (due_at, row._replace(id=self._disk.removals_put))

    def drop_removals(self, ids: Iterable[int]) -> None:
        """Those that were carried out."""
        for removal in ids:
            self._disk.removals.pop(removal, None)

    def _where(self, wanted: Callable[[Attachment], bool]) -> list[Attachment]:
        return [row for row in self._disk.attachments.values() if wanted(row)]
