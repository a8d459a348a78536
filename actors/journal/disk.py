"""What the memory store keeps: tables as plain dictionaries, which outlive the store objects that open them."""

from dataclasses import dataclass, field

from actors.journal.errands import Errand
from actors.journal.rows import Budget, EventRow, KeyRow
from pipelines.batch_edits import Batch
from pipelines.edits import Conversation, Entry, File, Template, TemplateVersion, Upload
from pipelines.jobs import DeadLetter, Job
from pipelines.vector_edits import Attachment, FileBatch, Removal, VectorStore


@dataclass(slots=True)
class Disk:
    """The committed state."""

    uuid: str
    epoch: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    refs: dict[tuple[str, str], int] = field(default_factory=dict)
    seals: dict[str, None] = field(default_factory=dict)
    keys: dict[str, KeyRow] = field(default_factory=dict)
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    outbox: dict[int, tuple[float, Errand]] = field(default_factory=dict)  # when each is due
    errands: int = 0  # that were ever put
    budgets: dict[str, Budget] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    entries: dict[str, tuple[Entry, ...]] = field(default_factory=dict)  # by conversation
    templates: dict[str, Template] = field(default_factory=dict)
    versions: dict[str, tuple[TemplateVersion, ...]] = field(default_factory=dict)  # by template
    files: dict[str, File] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    vector_stores: dict[str, VectorStore] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    file_batches: dict[str, FileBatch] = field(default_factory=dict)
    removals: dict[int, tuple[float, Removal]] = field(default_factory=dict)  # when each is due
    removals_put: int = 0  # that there ever were
    batches: dict[str, Batch] = field(default_factory=dict)
    schemas: bytes | None = None


TABLES = (
    *("jobs", "events", "blobs", "refs", "seals", "keys", "letters", "outbox", "errands", "budgets"),
    *("conversations", "entries", "templates", "versions", "files", "uploads"),
    *("vector_stores", "attachments", "file_batches", "removals", "removals_put", "batches"),
)
