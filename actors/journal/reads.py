"""What the journal tells of its store, as it was committed last, and to those who follow as it goes on."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from actors.followers import Followers
from actors.journal.envelopes import page_after
from actors.journal.errands import Errand
from actors.journal.files import status_of
from actors.journal.protocol import DeadLetterQuery, FileQuery, JobQuery
from actors.journal.store import Store
from actors.journal.vector_queries import Question
from actors.stores import read_from
from pipelines.batch_edits import Batch, BatchQuery, LineQuery
from pipelines.commands import INLINE_BYTES
from pipelines.edits import Conversation, Entry, File, Template, TemplateVersion, Upload
from pipelines.jobs import DeadLetter, Job, Reference
from pipelines.ports import Ports

T = TypeVar("T")


class Reads:
    """The reading half of a journal."""

    def __init__(self, store: Store, ports: Ports) -> None:
        self._store = store
        self._ports = ports
        self._followers = Followers(ports.clock)

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page of dead letters."""
        return await self._read(lambda: self._store.dead_letters(query))

    async def errands(self, limit: int) -> list[Errand]:
        """What is to be done elsewhere, as far as its time has come."""
        now = self._ports.clock.now()
        return await self._read(lambda: self._store.errands(now, limit))

    async def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id."""
        return await self._read(lambda: self._store.jobs(tenant, ids))

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs."""
        return await self._read(lambda: self._store.list_jobs(query))

    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> list[bytes]:
        """A job's events after a cursor."""
        return page_after(await self._read(lambda: self._store.events(job_id, tenant)), after, limit)

    async def conversation(self, tenant: str, conversation: str) -> Conversation | None:
        """A conversation by id; None for an unknown one and another tenant's."""
        row = await self._read(lambda: self._store.conversations.load(conversation))
        return row if row is not None and row.tenant == tenant else None

    async def entries(self, tenant: str, conversation: str) -> list[Entry]:
        """All that was added to a conversation, oldest first."""
        if await self.conversation(tenant, conversation) is None:
            return []
        return await self._read(lambda: self._store.conversations.entries(conversation))

    async def templates(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page of a tenant's templates, newest first."""
        return await self._read(lambda: self._store.templates.of(tenant, after, limit))

    async def template(self, tenant: str, template: str) -> tuple[Template, list[TemplateVersion]] | None:
        """A template with its versions; None for an unknown one and another tenant's."""
        row = await self._read(lambda: self._store.templates.load(template))
        if row is None or row.tenant != tenant:
            return None
        return row, await self._read(lambda: self._store.templates.versions(template))

    async def files(self, query: FileQuery) -> list[File]:
        """A page of a tenant's files."""
        now = self._ports.clock.now()
        return await self._read(lambda: self._store.files.page(query, now))

    async def file(self, tenant: str, file: str) -> File | None:
        """A file; None for an unknown one, one past its time, and another tenant's."""
        row = await self._read(lambda: self._store.files.load(file))
        if row is None or row.tenant != tenant or row.size is None:
            return None
        return row if row.expires_at is None or row.expires_at > self._ports.clock.now() else None

    async def upload(self, tenant: str, upload: str) -> tuple[Upload, list[File]] | None:
        """An upload with the parts that are stored."""
        row = await self._read(lambda: self._store.files.load_upload(upload))
        if row is None or row.tenant != tenant:
            return None
        parts = await self._read(lambda: self._store.files.parts(upload))
        status = status_of(row, self._ports.clock.now())
        return row._replace(status=status), [part for part in parts if part.size is not None]

    async def ask(self, question: Question[T]) -> T:
        """The answer to a question about vector stores."""
        now = self._ports.clock.now()
        return await self._read(lambda: question.read(self._store.vectors, now))

    async def batches(self, query: BatchQuery) -> list[Batch]:
        """A page of a tenant's batches, or one of them."""
        if not query.batch:
            return await self._read(lambda: self._store.batches.page(query))
        row = await self._read(lambda: self._store.batches.load(query.batch))
        return [row] if row is not None and row.tenant == query.tenant else []

    async def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of a batch's lines."""
        return await self._read(lambda: self._store.batches.lines(query))

    async def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads; a large one is a file, and its row has only the count."""
        found = await self._read(lambda: self._store.blobs(tenant, references))
        return [
            None if reference.size > INLINE_BYTES else data for reference, data in zip(references, found, strict=True)
        ]

    async def referred(self, tenant: str, digests: Sequence[str]) -> set[str]:
        """Those of a tenant's payloads, by hash, to which any job refers, be they rows or files."""
        found = await self._read(lambda: self._store.blobs(tenant, [Reference(digest, 0) for digest in digests]))
        return {digest for digest, data in zip(digests, found, strict=True) if data is not None}

    async def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still to be sealed."""
        return await self._read(lambda: self._store.unsealed(limit))

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, tuple[int, list[bytes]]]:
        """Long poll for events."""
        self._followers.update(session, add, remove)
        news = {}
        for job_id, seen in (await self._followers.wait(session, wait_s)).items():
            events = await self._read(partial(self._store.events, job_id))
            self._followers.advance(session, job_id, len(events))
            if len(events) > seen:
                news[job_id] = (len(events), events[seen:])
        return news

    async def _read(self, read: Callable[[], T]) -> T:
        return await read_from(self._store, read)
