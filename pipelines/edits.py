"""What can be asked of the things that outlive jobs: conversations, templates of prompts, files, and batches.

An edit may be repeated, as every command: what it makes has an id that its caller chose.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pipelines.batch_edits import BatchEdit, CreateBatch
from pipelines.commands import Payload
from pipelines.jobs import Reference
from pipelines.vector_edits import VectorEdit


class Conversation(NamedTuple):
    """A conversation's row. `holder` is the one open job that adds to it, "" while there is none."""

    id: str
    tenant: str
    created_at: float
    metadata: str  # JSON
    holder: str = ""


class Entry(NamedTuple):
    """What was added to a conversation at once: items that a client gave, or the turn of a job, by whose id it goes.

    Of a turn `request` and `result` are the job's payloads; of items `request` is a JSON list of them.
    """

    id: str
    request: Reference
    result: Reference | None = None
    removed: tuple[str, ...] = ()  # the ids of its items that are there no more


class Template(NamedTuple):
    """A template of prompts. Its versions are numbered from 1."""

    id: str
    tenant: str
    name: str
    default: int
    latest: int
    created_at: float


class TemplateVersion(NamedTuple):
    """One version; never changes. `id` is its maker's, so that a repeat is known."""

    template: str
    number: int
    id: str
    body: str  # JSON
    created_at: float


class File(NamedTuple):
    """A file that a client has uploaded, or is uploading: `size` is None until its content is stored.

    Times are Unix seconds; after `expires_at` it is there no more. The part of an upload is a file as well, which no
    list shows; `upload` is the upload's id, and "" for what is a file itself.
    """

    id: str
    tenant: str
    filename: str
    purpose: str
    size: int | None
    created_at: float
    expires_at: float | None
    upload: str = ""


class UploadStatus(StrEnum):
    """How an upload in parts stands, in OpenAI's words."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Upload(NamedTuple):
    """An upload in parts, which make the file `file` once it is completed. `size` is announced, in bytes.

    `expires_after_s` is the file's, `expires_at` that of the upload: what is pending then has expired.
    """

    id: str
    tenant: str
    filename: str
    purpose: str
    size: int
    expires_after_s: float | None
    created_at: float
    expires_at: float
    status: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateConversation:
    """Begin a conversation, with items or without."""

    conversation: str
    tenant: str
    metadata: str
    items: Payload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConversation:
    """Give it other metadata."""

    conversation: str
    tenant: str
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConversation:
    """Forget it and all its items. A job that is open goes on."""

    conversation: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddItems:
    """Add items at its end."""

    conversation: str
    tenant: str
    entry: str
    items: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveItem:
    """Take one item out of an entry."""

    conversation: str
    tenant: str
    entry: str
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTemplate:
    """A template with its first version."""

    template: str
    tenant: str
    name: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddVersion:
    """One version more; the answer's detail is its number."""

    template: str
    tenant: str
    version_id: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefault:
    """Which version serves who names none."""

    template: str
    tenant: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTemplate:
    """Forget a template with all versions."""

    template: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveFile:
    """A file's content is about to be stored. If that is not done within a day, what there is of it is removed."""

    file: str
    tenant: str
    filename: str
    purpose: str
    upload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteFile:
    """It is stored, and the file is there for `expires_after_s` seconds from its reservation; None: until deleted."""

    file: str
    tenant: str
    size: int
    expires_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    """Forget a file; its content is removed soon."""

    file: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUpload:
    """A file is to come in parts, within an hour."""

    upload: str
    tenant: str
    filename: str
    purpose: str
    size: int
    expires_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteUpload:
    """It becomes this file, whose content is stored; its parts go. The answer tells the status that it has now."""

    upload: str
    tenant: str
    file: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelUpload:
    """It becomes no file; its parts go. The answer's detail is the status that it has now."""

    upload: str
    tenant: str


ConversationEdit = CreateConversation | UpdateConversation | DeleteConversation | AddItems | RemoveItem
TemplateEdit = CreateTemplate | AddVersion | SetDefault | DeleteTemplate
FileEdit = ReserveFile | CompleteFile | DeleteFile
UploadEdit = CreateUpload | CompleteUpload | CancelUpload
Edit = ConversationEdit | TemplateEdit | FileEdit | UploadEdit | VectorEdit | CreateBatch | BatchEdit
