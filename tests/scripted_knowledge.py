"""An index in memory whose chunks are runs of words, for tests: the part that indexes, and the one that is searched."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.file_search import FileSearch
from deployments.knowledge.filters import parse_filters
from deployments.knowledge.indexing_worker import IndexSource, Tell, Told
from deployments.knowledge.live_files import LiveFiles
from deployments.knowledge.retrieval import Attached
from pipelines.commands import Indexed
from pipelines.errors import RejectError, TransientError
from pipelines.payloads import Passage
from pipelines.ports import Ports


class ScriptedKnowledge:
    """A file named `*.bin` is unsupported, one that is no text is invalid, and `slow*` waits until it is let go.

    `crash*` raises, `busy*` is a fault that passes, and `mute*` is told nothing of. Scores are shares of words.
    """

    def __init__(self, journal: JournalApi, objects: Objects, ports: Ports) -> None:
        self._objects = objects
        self._live = LiveFiles(journal, ports)
        self.chunks: dict[tuple[str, str], dict[str, list[str]]] = {}  # by (tenant, store) and attachment
        self.batches: list[int] = []  # sizes
        self.closed = 0  # batches that were not carried out to their end
        self.started = asyncio.Event()  # a slow file was come to
        self.let_go = asyncio.Event()

    async def index(self, sources: Sequence[IndexSource], tell: Tell) -> None:
        self.batches.append(len(sources))
        ended = False
        try:
            for source in sources:
                if source.request.filename.startswith("slow"):
                    self.started.set()
                    await self.let_go.wait()
                if source.request.filename.startswith("crash"):
                    raise KeyError(source.request.file)
                if not source.request.filename.startswith("mute"):
                    await tell([Told(source.request.attachment, await self._put(source))])
            ended = True
        finally:
            self.closed += not ended

    async def search(self, tenant: str, search: FileSearch) -> list[Passage]:
        fits = parse_filters(search.filters) if search.filters is not None else lambda _: True
        found = []
        for store, files in zip(search.stores, await self._live.of(tenant, search.stores), strict=True):
            chunks = self.chunks.get((tenant, store), {})
            for attachment, file in files.items():
                if fits(file.attributes):
                    found += [_passage(file, text, search) for text in chunks.get(attachment, [])]
        found = [passage for passage in found if passage.score > 0 and passage.score >= search.score_threshold]
        return sorted(found, key=lambda passage: -passage.score)[: search.max_num_results]

    async def find(self, tenant: str, search: FileSearch) -> list[Passage]:
        return await self.search(tenant, search)

    async def texts(self, tenant: str, store: str, attachment: str) -> list[str]:
        return self.chunks[tenant, store][attachment]

    async def remove(self, tenant: str, store: str, attachments: Sequence[str]) -> None:
        for attachment in attachments:
            self.chunks.get((tenant, store), {}).pop(attachment, None)

    async def drop(self, tenant: str, store: str) -> None:
        self.chunks.pop((tenant, store), None)

    async def _put(self, source: IndexSource) -> Indexed | Exception:
        request = source.request
        if request.filename.endswith(".bin"):
            return RejectError("There is no text in it.", "unsupported_file")
        if request.filename.startswith("busy"):
            return TransientError("busy", retry_after_s=1.0)
        async with aclosing(await self._objects.get(source.tenant, request.file)) as pieces:
            data = b"".join([piece async for piece in pieces])
        try:
            words = data.decode().split()
        except UnicodeDecodeError:
            return RejectError("It is no text.", "invalid_file")
        step = request.chunk_tokens - request.overlap_tokens
        texts = [" ".join(words[i : i + request.chunk_tokens]) for i in range(0, max(1, len(words)), step)]
        self.chunks.setdefault((source.tenant, request.store), {})[request.attachment] = texts
        return Indexed(chunks=len(texts), usage_bytes=sum(map(len, texts)), tokens=len(words))


def _passage(file: Attached, text: str, search: FileSearch) -> Passage:
    wanted = {word.lower() for query in search.queries for word in query.split()}
    score = len(wanted & set(text.lower().split())) / len(wanted)
    return Passage(
        file_id=file.file, filename=file.filename, start=0, end=len(text), text=text, score=score,
        attributes=dict(file.attributes),
    )  # fmt: skip
