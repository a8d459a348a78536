"""What can be asked of batches: files whose lines are requests, done within a time.

All that belongs to a batch has an id that follows from the batch's: the job that validates its file, one job for each
line, the job that writes its results, and the files of these.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from events.ids import LAST_NUMBER, numbered_id
from pipelines.commands import Payload, Submit
from pipelines.jobs import timed_reference_of

_NOTHING = b"{}"


class BatchStatus(StrEnum):
    """Where a batch stands, in OpenAI's words."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self in (self.COMPLETED, self.FAILED, self.EXPIRED, self.CANCELLED)


class Batch(NamedTuple):
    """A batch's row. Times are Unix seconds, sizes bytes; JSON fields are text.

    `fate` is the status that it will end with because its lines are ended before they have run, "" while nothing is
    against them. It is `open` as long as any of its jobs may be.
    """

    id: str
    tenant: str
    endpoint: str
    input_file: str
    window: str  # as the client wrote it
    metadata: str  # JSON
    output_expires_s: float | None  # None: until they are deleted
    created_at: float
    expires_at: float
    status: str = BatchStatus.VALIDATING
    fate: str = ""
    open: int = 1
    model: str = ""  # of all lines; "": several, or not known yet
    errors: str = ""  # JSON, a list
    total: int = -1  # lines; -1 until they are found to be good
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    output_bytes: int = 0
    error_bytes: int = 0
    in_progress_at: float | None = None
    finalizing_at: float | None = None
    cancelling_at: float | None = None
    ended_at: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return BatchStatus(self.status).terminal


class BatchQuery(NamedTuple):
    """A page of a tenant's batches, newest first; or the one with an id, where it is given."""

    tenant: str
    batch: str = ""
    after: str = ""
    limit: int = 20


class LineQuery(NamedTuple):
    """The jobs of a batch's lines behind one with this number, in their order."""

    batch: str
    after: int = 0
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBatch:
    """Begin a batch, with the job that validates its file; a repeat of its key is answered with that of the earlier."""

    batch: str
    endpoint: str
    input_file: str
    window: str
    window_s: float
    metadata: str
    output_expires_s: float | None
    job: Submit

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.job.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginBatch:
    """Its file is good: so many lines, of one model or of several (""). Their jobs follow."""

    batch: str
    tenant: str
    lines: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseBatch:
    """Its file is not good, or cannot be done: it fails with these errors, and lines that are there are ended."""

    batch: str
    tenant: str
    errors: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBatch:
    """End its lines, and keep what there is. The answer's detail is the status before."""

    batch: str
    tenant: str


BatchEdit = BeginBatch | RefuseBatch | CancelBatch


def new_batch_id(identifier: str) -> str:
    """The id of a new batch, of an id that no one else has."""
    return numbered_id("batch", identifier, 0)


def batch_of(identifier: str) -> str:
    """The batch to which a job or a file belongs by its id."""
    return numbered_id("batch", identifier.replace("-", "_", 1), 0)


def validation_id(batch: str) -> str:
    """The job that reads its file."""
    return numbered_id("resp", batch, 0)


def line_id(batch: str, number: int) -> str:
    """The job of a line; they are counted from 1."""
    return numbered_id("resp", batch, number)


def finalization_id(batch: str) -> str:
    """The job that writes its results."""
    return numbered_id("resp", batch, LAST_NUMBER)


def output_id(batch: str) -> str:
    """The file of what has succeeded."""
    return numbered_id("file", batch, 1).replace("_", "-", 1)


def error_id(batch: str) -> str:
    """The file of what has not."""
    return numbered_id("file", batch, 2).replace("_", "-", 1)


def batch_job(job_id: str, tenant: str, pipeline: str, *, deadline_s: float, now: float) -> Submit:
    """One of the two jobs of the batch itself; which batch it is for, its id says."""
    request = Payload(timed_reference_of(_NOTHING, now), _NOTHING)
    return Submit(
        job_id=job_id,
        tenant=tenant,
        pipeline=pipeline,
        model="",
        request=request,
        deadline_s=deadline_s,
        part_of=batch_of(job_id),
    )


def line_priority(expires_at: float) -> int:
    """Of the lines of a batch: the earliest deadline, to the minute, goes first."""
    return -int(expires_at // 60)
