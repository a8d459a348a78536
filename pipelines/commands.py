"""What can be asked of the journal. Every command may be repeated: the repeat gets the first answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pipelines.chores import Chore
from pipelines.jobs import Fault, Reference, Status, Usage
from pipelines.steps import Step, first_step

INLINE_BYTES = 8 * 1024  # what a payload may have to travel inside a command


class Payload(NamedTuple):
    """A reference, and the bytes themselves where they are small enough for the journal's own table."""

    reference: Reference
    data: bytes | None


class Key(NamedTuple):
    """What a client calls one create: its own word on a route, and the fingerprint of what it asked for."""

    route: str
    word: str
    fingerprint: str


class Submit(NamedTuple):
    """Accept a job under an id that the caller chose; under a key that was used before it is the earlier job.

    `max_output_tokens` is what it reserves where its tenant has a token budget. A job that is `attached_to` an
    ingestion session is cancelled with it; another use of its key attaches it anew. `parent` is the job that it goes
    on from, which must have a result that is kept; `context` are the payloads of earlier turns, each referred to once
    more until this job is removed. `part_of` is the batch, or the attachment of a file to a vector store, that takes
    note of the job's end.
    A job may come `rendered`, so that its first step is the inference, with the number of its `input_tokens` where that
    is known. A line of a batch always does, or with the `fault` for which it cannot be: then it fails at once.
    """

    job_id: str
    tenant: str
    pipeline: str
    model: str
    request: Payload
    deadline_s: float
    priority: int = 0
    traceparent: str = ""
    key: Key | None = None
    max_output_tokens: int = 0
    attached_to: str = ""  # "": to nobody
    stored: bool = True  # else it is nobody's parent, and goes soon after its end
    parent: str = ""
    context: tuple[Reference, ...] = ()
    conversation: str = ""
    part_of: str = ""
    rendered: Payload | None = None
    fault: Fault | None = None
    input_tokens: int = 0  # 0: taken for as many as the request's size suggests

    @property
    def first_step(self) -> Step:
        """Where the job begins."""
        return first_step(self.pipeline, self.model, rendered=self.rendered is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Give this worker the best ready steps of a topic, `slots` at the most, for `limit_s` each (0: for any time).

    `number` rises with every new claim of a worker from the topic, so that a late copy of an older one can be told;
    0: not counted. `topics` are all of the worker's. A claim may come without a
    `ticket`, after one that was not for nothing. Suspects are given only where
    the worker has nothing of another shard (`alone`).
    """

    claim_id: str
    topic: str
    worker: str
    slots: int
    number: int = 0
    limit_s: float = 0.0
    topics: tuple[str, ...] = ()
    ticket: bool = True
    alone: bool = True


class Rendered(NamedTuple):
    """The prompt is rendered."""

    prompt: Payload
    input_tokens: int = 0
    waited_s: float = 0.0  # from ready to claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """Passages were found. Where they are not to be `reranked`, the prompt is next."""

    context: Payload
    passages: int
    reranked: bool
    waited_s: float = 0.0  # from ready to claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked:
    """They are in their final order; this payload takes the place of the one before."""

    context: Payload
    passages: int
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """A file is in its vector store's index: so many chunks, and bytes of text and vectors."""

    chunks: int
    usage_bytes: int
    tokens: int


class Generated(NamedTuple):
    """The generation ended by itself: `status` is completed or incomplete."""

    result: Payload
    status: Status
    usage: Usage
    finish_reason: str  # stop, length, content_filter
    end: int  # last sequence number in the token log


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vectors of a line of a batch are made."""

    result: Payload
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """The file of a batch was read, and its lines are jobs; none where it was refused."""

    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalized:
    """The results of a batch are stored, so many bytes in each file; 0: there is none."""

    output_bytes: int
    error_bytes: int
    reasoning_tokens: int


class Remedy(StrEnum):
    """What to do about a fault."""

    TRANSIENT = "transient"  # a known passing fault: back off until the deadline
    RETRY = "retry"  # anything else: a bounded number of attempts, then a dead letter
    REJECT = "reject"  # the input is at fault: fail at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The step failed."""

    fault: Fault
    remedy: Remedy
    retry_after_s: float | None = None
    kind: str = ""  # class of the exception
    traceback: Payload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The worker hands the claim back; spends no attempt."""


Outcome = Rendered | Retrieved | Reranked | Indexed | Generated | Embedded | Validated | Finalized | Failed | Released


class Finish(NamedTuple):
    """A worker's outcome of a step, good for the fence of its claim only."""

    job_id: str
    fence: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """End the job, where a session is named only if it is still attached to that. Final at once."""

    job_id: str
    tenant: str
    attached_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Show the job no more, to nobody; one that is open is cancelled. It is removed once its log is sealed."""

    job_id: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """Do a dead letter again, as a new job that may start after `delay_s`. Each is redriven once."""

    job_id: str  # of the dead letter
    tenant: str
    delay_s: float = 0.0


Command = Submit | Claim | Finish | Cancel | Delete | Redrive | Chore


class Verdict(StrEnum):
    """The answer to a command."""

    DONE = "done"
    STALE = "stale"  # the fence is no longer the job's, or it is attached to somebody else
    UNKNOWN = "unknown"  # no such job, conversation or template
    TERMINAL = "terminal"  # the job has ended another way
    FULL = "full"  # too many jobs are open; nothing was written
    TOO_MANY = "too_many"  # the tenant has as many open jobs as it may; nothing was written
    OVER_BUDGET = "over_budget"  # the tenant's token budget does not allow it; nothing was written
    CONFLICT = "conflict"  # the key was used for something else
    LOCKED = "locked"  # another job adds to that conversation; nothing was written
    PARENT = "parent"  # nothing can go on from that parent; nothing was written
    ERROR = "error"  # this row alone failed; nothing was written


class Answer(NamedTuple):
    """A verdict, the job's status after it, why where it is an error, and which job where it is an earlier one."""

    verdict: Verdict
    status: Status | None = None
    detail: str = ""
    job_id: str = ""
