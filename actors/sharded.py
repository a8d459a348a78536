"""A journal and a token log of several shards, answering the same protocols as one.

Invariants: what belongs to a tenant, or to a job, is asked of one shard; a batch goes to all its shards at the same
time and is answered in order. What workers, sessions and followers say to each shard they say to `parts`.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from actors.depths import merge_depths
from actors.journal.protocol import DeadLetterQuery, Depth, FileQuery, JobQuery, JournalApi, ShardApi, StoreInfo
from actors.journal.vector_queries import LiveQueries, Question, RemovalsQuery, StoreQueries
from actors.sharding import by_shard, home_of, place_of, together
from actors.token_log.protocol import Append, AppendVerdict, Logged, SealRequest, TokenLogApi, TokenLogShard
from pipelines.batch_edits import Batch, BatchQuery, LineQuery
from pipelines.commands import Answer, Cancel, Delete, Finish, Redrive, Submit
from pipelines.edits import Conversation, Edit, Entry, File, Template, TemplateVersion, Upload
from pipelines.jobs import DeadLetter, Job, Reference

T = TypeVar("T")


class ShardedJournal:
    """See `JournalApi`. `parts` are the shards in the order of their numbers."""

    def __init__(self, parts: Sequence[ShardApi]) -> None:
        self.parts = parts

    def home(self, tenant: str) -> int:
        """The tenant's shard."""
        return home_of(tenant, len(self.parts))

    async def info(self) -> StoreInfo:
        """The first shard's; the places are the same for all."""
        return await self.parts[0].info()

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        """Accept jobs, whose ids name their tenants' shards."""
        return await by_shard(batch, self._home, lambda shard, group: self.parts[shard].submit(group))

    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        """Take outcomes."""
        return await by_shard(batch, self._named, lambda shard, group: self.parts[shard].finish(group))

    async def cancel(self, batch: Sequence[Cancel]) -> list[Answer]:
        """End jobs."""
        return await by_shard(batch, self._home, lambda shard, group: self.parts[shard].cancel(group))

    async def delete(self, batch: Sequence[Delete]) -> list[Answer]:
        """Hide jobs and end them."""
        return await by_shard(batch, self._home, lambda shard, group: self.parts[shard].delete(group))

    async def redrive(self, batch: Sequence[Redrive]) -> list[Answer]:
        """Do dead letters again."""
        return await by_shard(batch, self._home, lambda shard, group: self.parts[shard].redrive(group))

    async def edit(self, batch: Sequence[Edit]) -> list[Answer]:
        """Change conversations, templates, files, vector stores and batches."""
        return await by_shard(batch, self._home, lambda shard, group: self.parts[shard].edit(group))

    async def conversation(self, tenant: str, conversation: str) -> Conversation | None:
        """A conversation."""
        return await self._of(tenant).conversation(tenant, conversation)

    async def entries(self, tenant: str, conversation: str) -> list[Entry]:
        """Its entries."""
        return await self._of(tenant).entries(tenant, conversation)

    async def templates(self, tenant: str, after: str, limit: int) -> list[Template]:
        """A page of templates."""
        return await self._of(tenant).templates(tenant, after, limit)

    async def template(self, tenant: str, template: str) -> tuple[Template, list[TemplateVersion]] | None:
        """A template."""
        return await self._of(tenant).template(tenant, template)

    async def files(self, query: FileQuery) -> list[File]:
        """A page of files."""
        return await self._of(query.tenant).files(query)

    async def file(self, tenant: str, file: str) -> File | None:
        """A file."""
        return await self._of(tenant).file(tenant, file)

    async def upload(self, tenant: str, upload: str) -> tuple[Upload, list[File]] | None:
        """An upload with its parts."""
        return await self._of(tenant).upload(tenant, upload)

    async def ask(self, question: Question[T]) -> T:
        """An answer about vector stores. Raises TypeError for a question about those of all tenants: ask the parts."""
        match question:
            case StoreQueries(queries):
                return cast("T", await self._ask_many(StoreQueries, queries))
            case LiveQueries(queries):
                return cast("T", await self._ask_many(LiveQueries, queries))
            case RemovalsQuery():
                raise TypeError("each shard has removals of its own")
        return await self.parts[self._home(question)].ask(question)

    async def batches(self, query: BatchQuery) -> list[Batch]:
        """A page of batches."""
        return await self._of(query.tenant).batches(query)

    async def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of lines."""
        return await self.parts[place_of(query.batch, self.parts)].lines(query)

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page of dead letters."""
        return await self._of(query.tenant).dead_letters(query)

    async def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id."""
        return await self._of(tenant).jobs(tenant, ids)

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page."""
        return await self._of(query.tenant).list_jobs(query)

    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> list[bytes]:
        """A job's events."""
        return await self._of(tenant).events(tenant, job_id, after, limit)

    async def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return await self._of(tenant).blobs(tenant, references)

    async def depth(self) -> dict[str, Depth]:
        """The work of every topic, of all shards together."""
        return merge_depths(await together([part.depth() for part in self.parts]))

    async def _ask_many(self, kind: Callable[[Sequence[Any]], Question[list[T]]], queries: Sequence[Any]) -> list[T]:
        return await by_shard(queries, self._home, lambda shard, group: self.parts[shard].ask(kind(group)))

    def _of(self, tenant: str) -> ShardApi:
        return self.parts[self.home(tenant)]

    def _home(self, command: Any) -> int:
        return self.home(command.tenant)

    def _named(self, command: Finish) -> int:
        return place_of(command.job_id, self.parts)


class ShardedTokenLog:
    """See `TokenLogApi`. `parts` are the shards in the order of their numbers."""

    def __init__(self, parts: Sequence[TokenLogShard]) -> None:
        self.parts = parts

    async def open(self, batch: Sequence[tuple[str, int]]) -> list[Logged | None]:
        """Shut out lower fences, then read."""
        return await by_shard(
            batch, lambda each: place_of(each[0], self.parts), lambda shard, group: self.parts[shard].open(group)
        )

    async def append(self, batch: Sequence[Append]) -> list[AppendVerdict]:
        """Add chunks."""
        return await by_shard(batch, self._named, lambda shard, group: self.parts[shard].append(group))

    async def seal(self, batch: Sequence[SealRequest]) -> list[bytes]:
        """End logs."""
        return await by_shard(batch, self._named, lambda shard, group: self.parts[shard].seal(group))

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Remove logs."""
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for job_id in job_ids:
            groups[place_of(job_id, self.parts)].append(job_id)
        await together([self.parts[shard].forget(group) for shard, group in groups.items()])

    async def read(self, job_id: str, after: int, limit_bytes: int | None = None) -> Logged:
        """Read a log."""
        return await self.parts[place_of(job_id, self.parts)].read(job_id, after, limit_bytes)

    def _named(self, command: Append | SealRequest) -> int:
        return place_of(command.job_id, self.parts)


def journal_of(parts: Sequence[ShardApi]) -> JournalApi:
    """These shards as one journal; one alone is itself."""
    return parts[0] if len(parts) == 1 else ShardedJournal(parts)


def token_log_of(parts: Sequence[TokenLogShard]) -> TokenLogApi:
    """The same of token logs."""
    return parts[0] if len(parts) == 1 else ShardedTokenLog(parts)
