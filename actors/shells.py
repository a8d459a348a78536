"""The Ray actors around the plain classes: per shard a journal with its dispatcher and a token log, and the topics.

They are named, detached, restarted for ever and outside any placement group.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from actors.deaths import death_of
from actors.dispatcher import Dispatcher
from actors.garbage import collect_seldom
from actors.journal.limits import Limits
from actors.journal.protocol import (
    DeadLetterQuery,
    Depth,
    FileQuery,
    Heartbeat,
    JobQuery,
    Places,
    Session,
    StoreInfo,
    Worker,
)
from actors.journal.vector_queries import Question
from actors.known_stores import same_store
from actors.naming import TOPICS, journal_name, token_log_name
from actors.remotes import RemoteActor, RemoteTokenLog
from actors.shards import Where, open_journal, open_token_log
from actors.shell import Shell, served
from actors.system import real_ports
from actors.telemetry.setup import process_telemetry
from actors.token_log.protocol import Append, AppendVerdict, Logged, SealRequest
from actors.topics.in_process import InProcessTopics
from actors.topics.remote import RemoteTopic
from pipelines.batch_edits import Batch, BatchQuery, LineQuery
from pipelines.commands import Answer, Cancel, Claim, Delete, Finish, Redrive, Submit
from pipelines.edits import Conversation, Edit, Entry, File, Template, TemplateVersion, Upload
from pipelines.jobs import ClaimedJob, DeadLetter, Job, Reference

R = TypeVar("R")


class JournalActor(Shell):
    """A shard's journal and its dispatcher."""

    def __init__(self, folder: str, where: Where, places: Places, telemetry: dict[str, Any], limits: Limits) -> None:
        collect_seldom()
        ports = real_ports(**process_telemetry("journal", **telemetry))
        with same_store(Path(folder), journal_name(where.shard)):
            self._journal = open_journal(Path(folder), ports=ports, places=places, limits=limits, **where._asdict())
        self._dispatcher = Dispatcher(
            self._journal,
            RemoteTokenLog(token_log_name(where.shard), ports),
            open_topic=lambda name: RemoteTopic(name, RemoteActor(TOPICS, ports)),
            death_of=death_of,
            ports=ports,
        )

    def _start(self) -> None:
        self._dispatcher.start()

    @served
    async def info(self) -> StoreInfo:
        """See `JournalApi`, as for all that follow."""
        return await self._journal.info()

    @served
    async def register(self, worker: Worker) -> None:
        """A worker offers its slots."""
        await self._journal.register(worker)

    @served
    async def deregister(self, worker_id: str) -> None:
        """A worker leaves."""
        await self._journal.deregister(worker_id)

    @served
    async def heartbeat(self, worker_id: str, wait_s: float) -> Heartbeat:
        """A worker lives."""
        return await self._journal.heartbeat(worker_id, wait_s)

    @served
    async def session(self, session: Session) -> None:
        """An ingestion session lives."""
        await self._journal.session(session)

    @served
    async def end_session(self, session_id: str) -> None:
        """An ingestion session has ended."""
        await self._journal.end_session(session_id)

    @served
    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        """Accept jobs."""
        return await self._journal.submit(batch)

    @served
    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        """Give out steps."""
        return await self._journal.claim(claim)

    @served
    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        """Take outcomes."""
        return await self._journal.finish(batch)

    @served
    async def cancel(self, batch: Sequence[Cancel]) -> list[Answer]:
        """End jobs."""
        return await self._journal.cancel(batch)

    @served
    async def delete(self, batch: Sequence[Delete]) -> list[Answer]:
        """Hide jobs and end them."""
        return await self._journal.delete(batch)

    @served
    async def redrive(self, batch: Sequence[Redrive]) -> list[Answer]:
        """Do dead letters again."""
        return await self._journal.redrive(batch)

    @served
    async def edit(self, batch: Sequence[Edit]) -> list[Answer]:
        """Change conversations, templates, files and vector stores."""
        return await self._journal.edit(batch)

    @served
    async def conversation(self, tenant: str, conversation: str) -> Conversation | None:
        """A conversation."""
        return await self._journal.conversation(tenant, conversation)

    @served
    async def entries(self, tenant: str, conversation: str) -> list[Entry]:
        """Its entries."""
        return await self._journal.entries(tenant, conversation)

    @served
    async def templates(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page of templates."""
        return await self._journal.templates(tenant, after, limit)

    @served
    async def template(self, tenant: str, template: str) -> tuple[Template, list[TemplateVersion]] | None:
        """A template."""
        return await self._journal.template(tenant, template)

    @served
    async def files(self, query: FileQuery) -> list[File]:
        """A page of files."""
        return await self._journal.files(query)

    @served
    async def file(self, tenant: str, file: str) -> File | None:
        """A file."""
        return await self._journal.file(tenant, file)

    @served
    async def upload(self, tenant: str, upload: str) -> tuple[Upload, list[File]] | None:
        """An upload with its parts."""
        return await self._journal.upload(tenant, upload)

    @served
    async def ask(self, question: Question[R]) -> R:
        """An answer about vector stores."""
        return await self._journal.ask(question)

    @served
    async def batches(self, query: BatchQuery) -> list[Batch]:
        """A page of batches."""
        return await self._journal.batches(query)

    @served
    async def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of lines."""
        return await self._journal.lines(query)

    @served
    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page of dead letters."""
        return await self._journal.dead_letters(query)

    @served
    async def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id."""
        return await self._journal.jobs(tenant, ids)

    @served
    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page."""
        return await self._journal.list_jobs(query)

    @served
    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> list[bytes]:
        """A job's events."""
        return await self._journal.events(tenant, job_id, after, limit)

    @served
    async def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return await self._journal.blobs(tenant, references)

    @served
    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, tuple[int, list[bytes]]]:
        """New events."""
        return await self._journal.follow(session, add, remove, wait_s)

    @served
    async def depth(self) -> dict[str, Depth]:
        """The work of every topic."""
        return await self._journal.depth()


class TokenLogActor(Shell):
    """A shard's token log."""

    def __init__(self, folder: str, where: Where, telemetry: dict[str, Any]) -> None:
        collect_seldom()
        ports = real_ports(**process_telemetry("token_log", **telemetry))
        with same_store(Path(folder), token_log_name(where.shard)):
            self._log = open_token_log(Path(folder), ports=ports, **where._asdict())

    @served
    async def open(self, batch: Sequence[tuple[str, int]]) -> list[Logged | None]:
        """See `TokenLogApi`, as for all that follow."""
        return await self._log.open(batch)

    @served
    async def append(self, batch: Sequence[Append]) -> list[AppendVerdict]:
        """Add chunks."""
        return await self._log.append(batch)

    @served
    async def seal(self, batch: Sequence[SealRequest]) -> list[bytes]:
        """End logs."""
        return await self._log.seal(batch)

    @served
    async def forget(self, job_ids: Sequence[str]) -> None:
        """Remove logs."""
        await self._log.forget(job_ids)

    @served
    async def read(self, job_id: str, after: int, limit_bytes: int | None = None) -> Logged:
        """Read a log."""
        return await self._log.read(job_id, after, limit_bytes)

    @served
    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, Logged]:
        """New chunks."""
        return await self._log.follow(session, add, remove, wait_s)


class TopicsActor(Shell):
    """The topics of all shards, in one process: one of Ray's takes a part of the machine even while it idles."""

    def __init__(self, size: int) -> None:
        self._topics = InProcessTopics(size=size)

    @served
    async def put(self, topic: str, tickets: int, shard: int) -> int:
        """Add tickets. See `Topic`, as for what follows."""
        return await self._topics.topic(topic).put(tickets, shard)

    @served
    async def take(self, topic: str, wait_s: float) -> int | None:
        """The shard of one ticket, or None."""
        ticket = await self._topics.topic(topic).take(wait_s)
        return None if ticket is None else ticket.shard
