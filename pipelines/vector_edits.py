"""What can be asked of vector stores, of the files that are attached to them, and of batches of such files.

An attachment is one attaching of a file to a store, with an id of its own. A job of the pipeline `index` puts it into
the store's index, and the end of that job is the attachment's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipelines.commands import Key
from pipelines.jobs import Status

DAY_S = 86400.0


class FileCounts(NamedTuple):
    """How many files of a store or a batch stand how."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    def add(self, status: Status, number: int) -> "FileCounts":
        """So many more of one kind; `number` may be negative."""
        return self._replace(**{status.value: getattr(self, status.value) + number})


class VectorStore(NamedTuple):
    """A vector store's row. Times are Unix seconds.

    `version` rises with every change of what a search may find, and `shrunk` is the last one that took something away.
    `ends_at` is when its files are to be removed: when it expires, or because it is deleted.
    """

    id: str
    tenant: str
    name: str
    description: str
    metadata: str  # JSON
    expires_after_days: int | None
    created_at: float
    last_active_at: float
    deleted: bool = False
    ends_at: float | None = None
    version: int = 0
    shrunk: int = 0
    usage_bytes: int = 0
    counts: FileCounts = FileCounts()

    @property
    def expires_at(self) -> float | None:
        """From when on it is expired."""
        return None if self.expires_after_days is None else self.last_active_at + self.expires_after_days * DAY_S

    def expired(self, now: float) -> bool:
        """Whether it is."""
        return self.expires_at is not None and self.expires_at <= now


class Attachment(NamedTuple):
    """A file in a vector store. `version` is the store's when a search found it last as it is; 0: it does not yet."""

    id: str
    store: str
    file: str
    tenant: str
    filename: str
    attributes: str  # JSON
    chunk_tokens: int
    overlap_tokens: int
    status: Status
    created_at: float
    job: str
    file_batch: str = ""
    usage_bytes: int = 0
    error_code: str = ""
    error_message: str = ""
    version: int = 0

    @property
    def chunking(self) -> tuple[int, int]:
        """The most tokens of a chunk, and how many of them the next one has too."""
        return self.chunk_tokens, self.overlap_tokens


class FileBatch(NamedTuple):
    """Files that were attached together; those that were detached since, or attached anew, count no more."""

    id: str
    tenant: str
    store: str
    created_at: float
    cancelled: bool = False
    counts: FileCounts = FileCounts()


class Removal(NamedTuple):
    """The chunks of an attachment are to leave the index, or all of the store where the attachment is "".

    It may be carried out twice. `id` is the journal's, 0 while it has none.
    """

    tenant: str
    store: str
    attachment: str = ""
    id: int = 0


class FileToAttach(NamedTuple):
    """A file, under which ids it is attached and indexed, and how."""

    attachment: str
    job: str
    file: str
    attributes: str  # JSON
    chunk_tokens: int
    overlap_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachFiles:
    """Attach files to a store, all of them or none, and index them with this model.

    A file that is there already, not failed and cut into the same chunks, is not indexed again; any other one is
    attached anew. An unknown file is named in the answer's detail.
    """

    store: str
    tenant: str
    model: str
    files: tuple[FileToAttach, ...]
    file_batch: str = ""
    priority: int = 0
    traceparent: str = ""
    key: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVectorStore:
    """A new store, with files or without."""

    store: str
    tenant: str
    name: str = ""
    description: str = ""
    metadata: str = "{}"
    expires_after_days: int | None = None
    attach: AttachFiles | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVectorStore:
    """Change its name, metadata or expires_after_days."""

    store: str
    tenant: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchVectorStore:
    """It is in use now."""

    store: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVectorStore:
    """Show it no more. Its files are detached and its index is removed soon."""

    store: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAttributes:
    """Give a file in a store other attributes."""

    store: str
    tenant: str
    file: str
    attributes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachFile:
    """Take a file out of a store; one that is being indexed is cancelled."""

    store: str
    tenant: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFileBatch:
    """Cancel those of its files that are not indexed yet."""

    store: str
    tenant: str
    file_batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRemovals:
    """These were carried out."""

    ids: tuple[int, ...]


StoreEdit = (
    CreateVectorStore
    | UpdateVectorStore
    | TouchVectorStore
    | DeleteVectorStore
    | AttachFiles
    | UpdateAttributes
    | DetachFile
    | CancelFileBatch
)
VectorEdit = StoreEdit | CloseRemovals
