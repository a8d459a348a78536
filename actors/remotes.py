"""Handles to the shared actors, answering the same protocols as the plain classes.

A call that meets a dead or restarting actor finds it anew and is repeated: every call is repeatable by id. When
the actor stays away longer than `PATIENCE_S` the caller gets `UnreachableError`; where the actor is there and its
database is not, the caller is as patient.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayActorError

from actors.journal.protocol import DeadLetterQuery, Depth, FileQuery, Heartbeat, JobQuery, Session, StoreInfo, Worker
from actors.journal.vector_queries import Question
from actors.naming import NAMESPACE
from actors.pickled import packed, unpacked
from actors.stores import StoreUnavailableError
from actors.token_log.protocol import Append, AppendVerdict, Logged, SealRequest
from pipelines.batch_edits import Batch, BatchQuery, LineQuery
from pipelines.commands import Answer, Cancel, Claim, Delete, Finish, Redrive, Submit
from pipelines.edits import Conversation, Edit, Entry, File, Template, TemplateVersion, Upload
from pipelines.errors import TransientError
from pipelines.jobs import ClaimedJob, DeadLetter, Job, Reference
from pipelines.ports import Ports

T = TypeVar("T")
PATIENCE_S = 20.0
NO_PATIENCE_S = 0.0  # a restarted actor has forgotten its readers' sessions: they must follow anew
_PAUSE_S = 0.1
_GONE = (ActorDiedError, ActorUnavailableError, RayActorError, ValueError)  # ValueError: no actor of this name


class UnreachableError(TransientError):
    """A shared actor could not be reached; nothing is known about the call."""


class RemoteActor:
    """A named actor, found when first needed."""

    def __init__(self, name: str, ports: Ports) -> None:
        self._name = name
        self._ports = ports
        self._actor: Any = None

    async def call(self, method: str, *arguments: Any, patience_s: float = PATIENCE_S) -> Any:
        """The answer of the actor; waits out a restart."""
        give_up_at = self._ports.clock.monotonic() + patience_s
        while True:
            try:
                actor = self._actor or await asyncio.to_thread(self._find)
                return unpacked(await getattr(actor, method).remote(*map(packed, arguments)))
            except StoreUnavailableError:
                if self._ports.clock.monotonic() >= give_up_at:
                    raise
                await self._ports.sleep(_PAUSE_S)
            except _GONE as error:
                if isinstance(error, ray.exceptions.RayTaskError):  # raised by the method itself
                    raise
                self._actor = None
                if self._ports.clock.monotonic() >= give_up_at:
                    raise UnreachableError(f"{self._name} is not reachable", retry_after_s=1.0) from error
                await self._ports.sleep(_PAUSE_S)

    def call_blocking(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        """One try from a thread, without waiting for a restart."""
        actor = self._actor or self._find()
        try:
            return ray.get(getattr(actor, method).remote(*arguments), timeout=timeout_s)
        except (*_GONE, GetTimeoutError) as error:
            self._actor = None
            raise UnreachableError(f"{self._name} is not reachable") from error

    def _find(self) -> Any:
        self._actor = ray.get_actor(self._name, namespace=NAMESPACE)
        return self._actor


class RemoteJournal:
    """See `ShardApi`."""

    def __init__(self, name: str, ports: Ports, *, shard: int = 0, claim_patience_s: float = PATIENCE_S) -> None:
        self._remote = RemoteActor(name, ports)
        self._shard = shard
        self._claim_patience_s = claim_patience_s

    @property
    def parts(self) -> "tuple[RemoteJournal]":
        """This one alone."""
        return (self,)

    def home(self, tenant: str) -> int:
        """This shard."""
        del tenant
        return self._shard

    async def info(self) -> StoreInfo:
        """Which store answers."""
        return cast("StoreInfo", await self._remote.call("info"))

    async def register(self, worker: Worker) -> None:
        """A worker offers its slots."""
        await self._remote.call("register", worker)

    async def deregister(self, worker_id: str) -> None:
        """A worker leaves."""
        await self._remote.call("deregister", worker_id)

    async def heartbeat(self, worker_id: str, wait_s: float) -> Heartbeat:
        """A worker lives."""
        return cast("Heartbeat", await self._remote.call("heartbeat", worker_id, wait_s))

    def beat(self, worker_id: str, wait_s: float) -> Heartbeat:
        """The heartbeat from a thread."""
        return cast(
            "Heartbeat", self._remote.call_blocking("heartbeat", worker_id, wait_s, timeout_s=wait_s + PATIENCE_S)
        )

    async def session(self, session: Session) -> None:
        """An ingestion session lives."""
        await self._remote.call("session", session)

    async def end_session(self, session_id: str) -> None:
        """An ingestion session has ended."""
        await self._remote.call("end_session", session_id)

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        """Accept jobs."""
        return cast("list[Answer]", await self._remote.call("submit", batch))

    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        """Steps for this worker."""
        answer = await self._remote.call("claim", claim, patience_s=self._claim_patience_s)
        return cast("list[ClaimedJob]", answer)

    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        """Report outcomes."""
        return cast("list[Answer]", await self._remote.call("finish", batch))

    async def cancel(self, batch: Sequence[Cancel]) -> list[Answer]:
        """End jobs."""
        return cast("list[Answer]", await self._remote.call("cancel", batch))

    async def delete(self, batch: Sequence[Delete]) -> list[Answer]:
        """Hide jobs and end them."""
        return cast("list[Answer]", await self._remote.call("delete", batch))

    async def redrive(self, batch: Sequence[Redrive]) -> list[Answer]:
        """Do dead letters again."""
        return cast("list[Answer]", await self._remote.call("redrive", batch))

    async def edit(self, batch: Sequence[Edit]) -> list[Answer]:
        """Change conversations, templates, files and vector stores."""
        return cast("list[Answer]", await self._remote.call("edit", batch))

    async def conversation(self, tenant: str, conversation: str) -> Conversation | None:
        """A conversation."""
        return cast("Conversation | None", await self._remote.call("conversation", tenant, conversation))

    async def entries(self, tenant: str, conversation: str) -> list[Entry]:
        """Its entries."""
        return cast("list[Entry]", await self._remote.call("entries", tenant, conversation))

    async def templates(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page of templates."""
        return cast("list[Template]", await self._remote.call("templates", tenant, after, limit))

    async def template(self, tenant: str, template: str) -> tuple[Template, list[TemplateVersion]] | None:
        """A template."""
        answer = await self._remote.call("template", tenant, template)
        return cast("tuple[Template, list[TemplateVersion]] | None", answer)

    async def files(self, query: FileQuery) -> list[File]:
        """A page of files."""
        return cast("list[File]", await self._remote.call("files", query))

    async def file(self, tenant: str, file: str) -> File | None:
        """A file."""
        return cast("File | None", await self._remote.call("file", tenant, file))

    async def upload(self, tenant: str, upload: str) -> tuple[Upload, list[File]] | None:
        """An upload with its parts."""
        answer = await self._remote.call("upload", tenant, upload)
        return cast("tuple[Upload, list[File]] | None", answer)

    async def ask(self, question: Question[T]) -> T:
        """An answer about vector stores."""
        return cast("T", await self._remote.call("ask", question))

    async def batches(self, query: BatchQuery) -> list[Batch]:
        """A page of batches."""
        return cast("list[Batch]", await self._remote.call("batches", query))

    async def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of lines."""
        return cast("list[Job]", await self._remote.call("lines", query))

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page of dead letters."""
        return cast("list[DeadLetter]", await self._remote.call("dead_letters", query))

    async def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id."""
        return cast("list[Job | None]", await self._remote.call("jobs", tenant, ids))

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page."""
        return cast("list[Job]", await self._remote.call("list_jobs", query))

    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> list[bytes]:
        """A job's events."""
        return cast("list[bytes]", await self._remote.call("events", tenant, job_id, after, limit))

    async def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return cast("list[bytes | None]", await self._remote.call("blobs", tenant, references))

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, tuple[int, list[bytes]]]:
        """New events."""
        answer = await self._remote.call("follow", session, add, remove, wait_s, patience_s=NO_PATIENCE_S)
        return cast("dict[str, tuple[int, list[bytes]]]", answer)

    async def depth(self) -> dict[str, Depth]:
        """The work of every topic."""
        return cast("dict[str, Depth]", await self._remote.call("depth"))


class RemoteTokenLog:
    """See `TokenLogShard`."""

    def __init__(self, name: str, ports: Ports) -> None:
        self._remote = RemoteActor(name, ports)

    @property
    def parts(self) -> "tuple[RemoteTokenLog]":
        """This one alone."""
        return (self,)

    async def open(self, batch: Sequence[tuple[str, int]]) -> list[Logged | None]:
        """Shut out lower fences, then read."""
        return cast("list[Logged | None]", await self._remote.call("open", batch))

    async def append(self, batch: Sequence[Append]) -> list[AppendVerdict]:
        """Add chunks."""
        return cast("list[AppendVerdict]", await self._remote.call("append", batch))

    async def seal(self, batch: Sequence[SealRequest]) -> list[bytes]:
        """End logs."""
        return cast("list[bytes]", await self._remote.call("seal", batch))

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Remove logs."""
        await self._remote.call("forget", job_ids)

    async def read(self, job_id: str, after: int, limit_bytes: int | None = None) -> Logged:
        """Read a log."""
        return cast("Logged", await self._remote.call("read", job_id, after, limit_bytes))

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, Logged]:
        """New chunks."""
        answer = await self._remote.call("follow", session, add, remove, wait_s, patience_s=NO_PATIENCE_S)
        return cast("dict[str, Logged]", answer)
