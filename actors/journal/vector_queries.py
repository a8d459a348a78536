"""What can be asked about vector stores, each question as a value that reads its answer from a store of the journal.

What is another tenant's, or in a store that is deleted, looks like what does not exist.
"""

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from actors.journal.vector_table import Span, VectorReader
from pipelines.vector_edits import Attachment, FileBatch, Removal, VectorStore

F = TypeVar("F")
R = TypeVar("R", VectorStore, Attachment)
T_co = TypeVar("T_co", covariant=True)
_LAST = "\U0010ffff"  # sorts behind every id


class Question(Protocol[T_co]):
    """See `JournalApi.ask`."""

    def read(self, vectors: VectorReader, now: float) -> T_co:
        """The answer."""


class Window(NamedTuple):
    """Which part of a list is wanted: behind `after`, or the last ones before `before`; newest first by default."""

    after: str = ""
    before: str = ""
    limit: int = 20
    ascending: bool = False

    @property
    def backward(self) -> bool:
        """Whether it is sought from its end."""
        return bool(self.before) and not self.after

    def span(self) -> Span:
        """The ids to look at, and one row more than is wanted."""
        low, high = (self.after, self.before) if self.ascending else (self.before, self.after)
        return Span(low, high or _LAST, self.ascending is not self.backward, self.limit + 1)


class Page(NamedTuple, Generic[R]):
    """Rows in the order of their list, and whether there are more in the direction in which it was read."""

    rows: Sequence[R]
    has_more: bool


class InStore(NamedTuple, Generic[F]):
    """What was found in a store, and the store."""

    store: VectorStore
    found: F


class StoreQuery(NamedTuple):
    """A vector store by its id, also an expired one."""

    tenant: str
    store: str

    def read(self, vectors: VectorReader, now: float) -> VectorStore | None:
        """Its row."""
        del now
        row = vectors.store(self.store)
        return row if row is not None and row.tenant == self.tenant and not row.deleted else None


class StoreQueries(NamedTuple):
    """Several of them at once."""

    queries: Sequence[StoreQuery]

    def read(self, vectors: VectorReader, now: float) -> list[VectorStore | None]:
        """The rows, one for one."""
        return [query.read(vectors, now) for query in self.queries]


class StoresQuery(NamedTuple):
    """A page of a tenant's vector stores. The cursors are ids."""

    tenant: str
    window: Window = Window()

    def read(self, vectors: VectorReader, now: float) -> Page[VectorStore]:
        """The page."""
        del now
        return _page(vectors.stores(self.tenant, self.window.span()), self.window)


class AttachmentQuery(NamedTuple):
    """A file in a store."""

    tenant: str
    store: str
    file: str

    def read(self, vectors: VectorReader, now: float) -> InStore[Attachment | None] | None:
        """Its row; None for an unknown store."""
        store = StoreQuery(self.tenant, self.store).read(vectors, now)
        return InStore(store, vectors.attachment(self.store, self.file)) if store else None


class AttachmentsQuery(NamedTuple):
    """A page of the files in a store: of a batch, or with a status, where these are named. The cursors are files' ids.

    Raises LookupError for a cursor that is in no such list.
    """

    tenant: str
    store: str
    window: Window = Window()
    file_batch: str = ""
    status: str = ""

    def read(self, vectors: VectorReader, now: float) -> InStore[Page[Attachment] | None] | None:
        """The page; in it None for an unknown batch, and None for an unknown store."""
        store = StoreQuery(self.tenant, self.store).read(vectors, now)
        if store is None:
            return None
        if self.file_batch and _batch(vectors, self.store, self.file_batch) is None:
            return InStore(store, None)
        after, before = (self._place(vectors, cursor) for cursor in self.window[:2])
        window = self.window._replace(after=after, before=before)
        rows = vectors.attachments(self.store, window.span(), file_batch=self.file_batch, status=self.status)
        return InStore(store, _page(rows, window))

    def _place(self, vectors: VectorReader, file: str) -> str:
        row = vectors.attachment(self.store, file) if file else None
        if file and row is None:
            raise LookupError(file)
        return row.id if row else ""


class FileBatchQuery(NamedTuple):
    """A batch of files of a store."""

    tenant: str
    store: str
    file_batch: str

    def read(self, vectors: VectorReader, now: float) -> InStore[FileBatch | None] | None:
        """Its row; None for an unknown store."""
        store = StoreQuery(self.tenant, self.store).read(vectors, now)
        return InStore(store, _batch(vectors, self.store, self.file_batch)) if store else None


class LiveFiles(NamedTuple):
    """What a search may find in a store. `files` are those that have changed since, or where it is `whole`, all."""

    store: VectorStore
    whole: bool
    files: Sequence[Attachment]


class LiveQuery(NamedTuple):
    """What a search may find in a store, for one who knows that as of the version `since`; 0: knows nothing."""

    tenant: str
    store: str
    since: int = 0

    def read(self, vectors: VectorReader, now: float) -> LiveFiles | None:
        """None for an unknown store."""
        row = StoreQuery(self.tenant, self.store).read(vectors, now)
        if row is None:
            return None
        whole = self.since < row.shrunk or self.since == 0
        changed = vectors.live(row.id, 0 if whole else self.since) if self.since < row.version else []
        return LiveFiles(row, whole, changed)


class LiveQueries(NamedTuple):
    """Several of them at once."""

    queries: Sequence[LiveQuery]

    def read(self, vectors: VectorReader, now: float) -> list[LiveFiles | None]:
        """The answers, one for one."""
        return [query.read(vectors, now) for query in self.queries]


class RemovalsQuery(NamedTuple):
    """What is to leave the index now, of all tenants."""

    limit: int

    def read(self, vectors: VectorReader, now: float) -> list[Removal]:
        """The oldest ones."""
        return vectors.removals(now, self.limit)


def _batch(vectors: VectorReader, store: str, file_batch: str) -> FileBatch | None:
    row = vectors.file_batch(file_batch)
    return row if row is not None and row.store == store else None


def _page(rows: list[R], window: Window) -> Page[R]:
    shown = rows[: window.limit]
    return Page(shown[::-1] if window.backward else shown, len(rows) > window.limit)
