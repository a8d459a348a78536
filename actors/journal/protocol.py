"""What the rest of the system may ask of the journal: of the plain `Journal` or of the handle to its Ray actor."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from actors.journal.vector_queries import Question
from pipelines.batch_edits import Batch, BatchQuery, LineQuery
from pipelines.commands import Answer, Cancel, Claim, Delete, Finish, Redrive, Submit
from pipelines.edits import Conversation, Edit, Entry, File, Template, TemplateVersion, Upload
from pipelines.jobs import ClaimedJob, DeadLetter, Job, Reference, Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker that pulls from a topic. `handle` lets the journal ask whether its process still lives.

    An attempt may take `attempt_limit_s` (0: any time); then it is taken from the worker. A worker for lines of
    batches takes them from a second topic. One that is `called` for every step needs no tickets. One that is leaving
    has no slots, and ends what it holds.
    """

    id: str
    topic: str
    line_topic: str = ""
    slots: int
    engine_fingerprint: str = ""
    can_continue: bool = False
    handle: Any = None
    attempt_limit_s: float = 0.0
    called: bool = False

    @property
    def topics(self) -> tuple[str, ...]:
        """All from which it takes work."""
        return (self.topic, self.line_topic) if self.line_topic else (self.topic,)


class Session(NamedTuple):
    """A process of ingestion whose clients wait for jobs. `handle` lets the journal ask whether it still lives."""

    id: str
    handle: Any = None


class Death(StrEnum):
    """How a process has gone."""

    CRASH = "crash"  # alone: what it held may be to blame
    NODE = "node"  # with its node, which no job is to blame for


class Waiting(NamedTuple):
    """How many steps of a topic are ready, and the priority of the best of them."""

    topic: str
    steps: int
    priority: int = 0


class Heartbeat(NamedTuple):
    """`known` is false after a restart of the journal: register again. `revoked` are (job, fence) to abort.

    Where there are several shards, `waiting` is what this one has for the worker, of each of its topics; `alone` says
    that it has suspects for it, which are tried only by a worker that holds nothing of another shard.
    """

    known: bool
    revoked: list[tuple[str, int]]
    waiting: tuple[Waiting, ...] = ()
    alone: bool = False


class Places(NamedTuple):
    """Where is what a store does not hold; "" where there is nothing of the kind.

    `blobs` is the folder of payloads that are too large for it, `objects` the folder or URL of clients' files, and
    `indexes` that of the chunks of those in vector stores.
    """

    blobs: str = ""
    objects: str = ""
    indexes: str = ""


NOWHERE = Places()


class StoreInfo(NamedTuple):
    """Which store this is, the places that belong to it, and of how many shards it is one."""

    uuid: str
    epoch: int
    places: Places
    shards: int = 1


class Depth(NamedTuple):
    """The work of a topic. Age is that of the step that would be claimed next, in seconds."""

    ready: int
    claimed: int
    waiting: int
    age_s: float
    workers: int
    finished: int = 0  # claims that came to an outcome since the journal's start
    holders: tuple[str, ...] = ()  # the workers whose claims are in force, by id


class JobQuery(NamedTuple):
    """A page of a tenant's jobs, newest first unless `ascending`."""

    tenant: str
    status: Status | None = None
    model: str | None = None
    after: str | None = None
    limit: int = 20
    ascending: bool = False


class DeadLetterQuery(NamedTuple):
    """A page of a tenant's dead letters, newest first. "" stands for any."""

    tenant: str
    model: str = ""
    code: str = ""
    after: str = ""
    limit: int = 20
    open_only: bool = False  # those that were not redriven


class FileQuery(NamedTuple):
    """A page of a tenant's files, newest first unless `ascending`. A purpose "" stands for any."""

    tenant: str
    purpose: str = ""
    after: str = ""
    limit: int = 20
    ascending: bool = False


class JournalApi(Protocol):
    """Every call is for many; every mutation may be repeated by id. Events are serialised `Envelope`s."""

    @property
    def parts(self) -> Sequence["ShardApi"]:
        """The shards: this one alone, or all."""

    def home(self, tenant: str) -> int:
        """The tenant's shard, which the id of everything that is made for it names."""

    async def info(self) -> StoreInfo:
        """Which store answers."""

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        """Accept jobs. An answer means: on disk."""

    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        """Take outcomes."""

    async def cancel(self, batch: Sequence[Cancel]) -> list[Answer]:
        """End jobs."""

    async def delete(self, batch: Sequence[Delete]) -> list[Answer]:
        """Hide jobs for good from every call but `follow`, end those that are open, and remove them soon."""

    async def redrive(self, batch: Sequence[Redrive]) -> list[Answer]:
        """Do dead letters again. Each answer names the new job, or the one that an earlier redrive has made."""

    async def edit(self, batch: Sequence[Edit]) -> list[Answer]:
        """Make, change and forget conversations, templates, files, vector stores and batches."""

    async def conversation(self, tenant: str, conversation: str) -> Conversation | None:
        """A conversation by id; None for an unknown one and another tenant's."""

    async def entries(self, tenant: str, conversation: str) -> list[Entry]:
        """All that was added to a conversation, oldest first."""

    async def templates(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page of a tenant's templates, newest first, behind the id `after` where one is given."""

    async def template(self, tenant: str, template: str) -> tuple[Template, list[TemplateVersion]] | None:
        """A template with its versions; None for an unknown one and another tenant's."""

    async def files(self, query: FileQuery) -> list[File]:
        """At most `limit` files whose content is stored, behind the cursor."""

    async def file(self, tenant: str, file: str) -> File | None:
        """A file whose content is stored; None for an unknown one, one past its time, and another tenant's."""

    async def upload(self, tenant: str, upload: str) -> tuple[Upload, list[File]] | None:
        """An upload with the parts that are stored; None for an unknown one and another tenant's."""

    async def ask(self, question: Question[T]) -> T:
        """The answer to a question about vector stores. Raises what the question says."""

    async def batches(self, query: BatchQuery) -> list[Batch]:
        """At most `limit` batches behind the cursor, or the one that is asked for."""

    async def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of a batch's lines, also those that a client has deleted."""

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """At most `limit` dead letters after the cursor."""

    async def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id; None for unknown ones and another tenant's."""

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """At most `limit` jobs after the cursor. Raises LookupError where the cursor is unknown."""

    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> list[bytes]:
        """A job's events, ascending, after an event id. Raises LookupError where the cursor is unknown."""

    async def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small blobs from the journal's own table."""

    async def depth(self) -> dict[str, Depth]:
        """The work of every topic."""


class ShardApi(JournalApi, Protocol):
    """One shard: what workers, ingestion sessions and followers say to each that they deal with."""

    async def register(self, worker: Worker) -> None:
        """A worker offers its slots. Repeat after `Heartbeat.known` was false."""

    async def deregister(self, worker_id: str) -> None:
        """A worker leaves in order; what it still holds is offered again."""

    async def heartbeat(self, worker_id: str, wait_s: float) -> Heartbeat:
        """Long poll: answers after `wait_s` seconds, or at once when a job of this worker is revoked."""

    async def session(self, session: Session) -> None:
        """An ingestion session lives; to be said about every 5 s. After 15 s of silence it has ended.

        5 s after its end, or its process's death, the open jobs that are attached to it are cancelled.
        """

    async def end_session(self, session_id: str) -> None:
        """An ingestion session has ended."""

    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        """The best ready steps of a topic, now this worker's."""

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, tuple[int, list[bytes]]]:
        """Long poll of a reader's process: by job, the cursor to go on from and the events since the last answer.

        `add` gives new job ids with the number of events to skip. The answer after the last one repeats
        nothing that was answered; a new session starts from its `add`.
        """
