"""A job as the journal's projection has it, and what a worker is given of it."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Reference(NamedTuple):
    """The claim check of a payload: a key that is, or ends with, its SHA-256 in hexadecimal; and the size in bytes."""

    hash: str
    size: int

    def __str__(self) -> str:
        return f"{self.hash}:{self.size}"


def reference_of(data: bytes) -> Reference:
    """The claim check of these bytes."""
    return Reference(hashlib.sha256(data).hexdigest(), len(data))


def timed_reference_of(data: bytes, now: float) -> Reference:
    """The same with a key that begins with the time, so that what comes together lies together in an index."""
    return Reference(f"{int(now * 1000):012x}.{hashlib.sha256(data).hexdigest()}", len(data))


def parse_reference(text: str) -> Reference:
    """The inverse of `str(reference)`."""
    digest, _, size = text.partition(":")
    return Reference(digest, int(size))


class Status(StrEnum):
    """Where a job stands, in OpenAI's words. The last four are terminal and never change."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self not in (Status.QUEUED, Status.IN_PROGRESS)


class StepState(StrEnum):
    """Where the job's present step stands."""

    READY = "ready"  # may be claimed
    WAITING = "waiting"  # may be claimed from `ready_at` on
    CLAIMED = "claimed"  # a worker holds it
    DONE = "done"  # the job is terminal


class Fault(NamedTuple):
    """Why a step or a job failed: a code for machines, a sentence for people."""

    code: str
    message: str


class Usage(NamedTuple):
    """Tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


@dataclass(kw_only=True)
class Job:
    """One row of the projection. Times are Unix seconds. Transitions make a new one; nobody changes it in place."""

    id: str
    tenant: str
    pipeline: str
    model: str
    status: Status = Status.QUEUED
    step: str
    step_state: StepState = StepState.READY
    topic: str
    priority: int = 0  # higher goes first
    promotion: int = 0  # by so much it was raised, as the deadline is near
    input_tokens: int = 0  # of its prompt; until that is rendered, about
    max_output_tokens: int = 0
    ready_at: float
    deadline_at: float
    step_deadline_at: float | None = None  # of the attempt that is claimed; None: the job's own is enough
    step_ends_at: float | None = None  # of all attempts of the present step; None: likewise
    attempt: int = 0  # of the present step, counted before work
    failures: int = 0  # of the present step, for no known reason
    crashes: int = 0  # of workers that held the present step
    lone_crashes: int = 0  # those in which it was the only one
    suspects: str = ""  # the group with which it is tried apart; see pipelines/suspects.py
    releases: int = 0  # of the present step
    fence: int = 0  # rises with every claim of any step
    settled: int = 0  # the fence whose outcome was taken last
    worker: str = ""
    claim_id: str = ""
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    fault: Fault | None = None
    request: Reference
    context: Reference | None = None  # the passages that were found for it
    rendered: Reference | None = None
    result: Reference | None = None
    usage: Usage | None = None
    end: int | None = None  # last sequence number that the worker logged
    reason: str = ""  # why incomplete
    traceparent: str = ""
    redrive_of: str = ""  # the dead letter that this job does again
    reserved: int = 0  # output tokens of its tenant's budget, until it ends
    attached_to: str = ""  # the ingestion session whose client waits for it
    conversation: str = ""  # to which it adds a turn
    stored: bool = True  # whether others may go on from it
    deleted: bool = False  # shown to nobody; never true of a stored job
    part_of: str = ""  # the batch, or the attachment of a file to a vector store, that takes note of its end

    @property
    def tokens(self) -> int:
        """What it may cost the workers, one at least."""
        return max(1, self.input_tokens + self.max_output_tokens)

    @property
    def continuable(self) -> bool:
        """Whether another job may go on from it."""
        return self.stored and self.result is not None


def evolve(job: Job, **changes: Any) -> Job:
    """The job with these columns changed. `dataclasses.replace` takes ten times as long, five times a job."""
    other = object.__new__(Job)
    other.__dict__.update(job.__dict__, **changes)
    return other


class Blame(NamedTuple):
    """What is known of the exception behind a fault."""

    kind: str = ""  # its class
    traceback: Reference | None = None


@dataclass(slots=True, kw_only=True)
class DeadLetter:
    """A job that was given up. `redriven_as` is the job that does it again, "" while there is none."""

    job_id: str
    tenant: str
    model: str
    code: str
    kind: str
    created_at: float
    redriven_as: str = ""


class ClaimedJob(NamedTuple):
    """What a worker gets when it claims a step. `payloads` holds the small blobs among its references.

    `deadline_at` is that of this attempt, or the job's where that comes first.
    """

    job_id: str
    tenant: str
    pipeline: str
    model: str
    step: str
    attempt: int
    fence: int
    deadline_at: float
    created_at: float
    ready_at: float
    claimed_at: float
    traceparent: str
    request: Reference
    context: Reference | None
    rendered: Reference | None
    payloads: dict[Reference, bytes]
