"""Indexing in a simulated world: an index on a disk that all share, its worker, and what ingestion answers."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pyarrow import Table

from actors.blobs import Blobs
from actors.index import Index
from actors.journal.protocol import JournalApi, Worker
from actors.journal.vector_queries import Window
from actors.objects import Objects
from actors.stores import StoreUnavailableError
from deployments.knowledge.converter import Converter
from deployments.knowledge.encoding import Embedded, TextOrTokens
from deployments.knowledge.files import Files, UnknownFileError, Upload
from deployments.knowledge.indexer import FileIndexer
from deployments.knowledge.indexing import IndexingTools
from deployments.knowledge.indexing_worker import IndexingWorker
from deployments.knowledge.vector_files import VectorFiles
from deployments.knowledge.vector_stores import Chunking, NewFile, NewStore, NoKnowledge, VectorStores
from pipelines.data.indexing import Report, Task, index_here
from pipelines.errors import RejectError, TransientError
from pipelines.steps import INDEXING_TOPIC
from tests.encoders import WordEncoder, word_spans
from tests.simulation.disks import pieces
from tests.simulation.index_wishes import SLOWLY
from tests.simulation.loop import ProcessDiedError
from tests.simulation.process import LONGEST_SYNC_S, Process

SLOTS = 4
SLOW_S, ATTEMPT_S = 85.0, 100.0
CHUNKING, OTHER_CHUNKING = Chunking(4, 1), Chunking(6, 2)
Shelf = dict[tuple[str, str, int], str]  # the text of each chunk, by store, attachment and ordinal


class MemoryIndex(Index):
    """In one process. `fails` says, at each call, whether the storage does: before its work, or after that."""

    def __init__(self, shelf: Shelf, dropped: set[str], process: Process, fails: Callable[[], bool]) -> None:
        super().__init__("", process.ports.ids)
        self._shelf = shelf
        self._dropped = dropped
        self._process = process
        self._fails = fails

    async def upsert(self, tenant: str, store: str, chunks: Table) -> None:
        del tenant
        await self._pass()
        if store not in self._dropped:
            rows = chunks.select(["attachment", "ordinal", "text"]).to_pylist()
            self._shelf.update({(store, row["attachment"], row["ordinal"]): row["text"] for row in rows})
        await self._pass()

    async def remove(self, tenant: str, store: str, attachments: Any) -> None:
        del tenant
        await self._pass()
        for key in [key for key in self._shelf if key[0] == store and key[1] in attachments]:
            del self._shelf[key]

    async def drop(self, tenant: str, store: str) -> None:
        del tenant
        await self._pass()
        self._dropped.add(store)
        for key in [key for key in self._shelf if key[0] == store]:
            del self._shelf[key]

    async def tidy(self, tenant: str, store: str) -> None:
        del tenant, store
        await self._pass()

    async def _pass(self) -> None:
        await asyncio.sleep(self._process.random.random() * LONGEST_SYNC_S)
        if self._fails():
            raise StoreUnavailableError("index: lost", retry_after_s=1.0)


class SlowEncoder(WordEncoder):
    """Takes longer over some texts, and what is read with them, than chunks are left where their file was detached."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        if any(str(text).startswith(SLOWLY) for text in texts):
            await asyncio.sleep(SLOW_S)
        return await super().embed(texts)


class FailingConverter(Converter):
    """Suffers what the first line of a file says. `tries` counts, for all processes, how often each was tried."""

    def __init__(self, process: Process, tries: Counter[str]) -> None:
        super().__init__()
        self._process = process
        self._tries = tries

    def convert(self, content: bytes, filename: str) -> str:
        head, _, text = content.decode().partition("\n")
        said = json.loads(head)
        self._tries[filename] += 1
        if self._tries[filename] <= said.get("attempts", self._tries[filename]):
            self._suffer(said.get("fault"))
        return text

    def _suffer(self, fault: str | None) -> None:
        match fault:
            case "reject":
                raise RejectError("it is refused", "invalid_file")
            case "raise":
                raise ValueError("it fails")
            case "busy":
                raise TransientError("it is busy")
            case "exit":
                self._process.die()
                raise ProcessDiedError


class StoreDesk:
    """Vector stores and their files of a tenant, without HTTP."""

    def __init__(self, tenant: str, *, journal: JournalApi, objects: Objects, process: Process) -> None:
        ports = process.ports
        self._tenant = tenant
        self._files = Files(journal=journal, objects=objects, ids=ports.ids)
        self._stores = VectorStores(journal=journal, knowledge=NoKnowledge(), encoder="words", ports=ports)
        self._attached = VectorFiles(self._stores, knowledge=NoKnowledge(), ids=ports.ids)

    async def upload(self, name: str, content: bytes) -> str:
        """A file's id."""
        upload = Upload(name, "assistants", pieces(content))
        file: str = (await self._files.create(self._tenant, upload))["id"]
        return file

    async def create(self, files: Sequence[str]) -> str:
        """A store's id."""
        new = NewStore(files=[NewFile(file, chunking=CHUNKING) for file in files])
        store: str = (await self._stores.create(self._tenant, new)).view["id"]
        return store

    async def attach(self, store: str, files: Sequence[str], chunking: Chunking) -> str:
        """The id of a batch of files; "" where one of them is gone."""
        with suppress(RejectError):
            new = [NewFile(file, chunking=chunking) for file in files]
            batch: str = (await self._attached.attach_batch(self._tenant, store, new)).view["id"]
            return batch
        return ""

    async def detach(self, store: str, file: str) -> None:
        with suppress(RejectError):  # it is gone already
            await self._attached.detach(self._tenant, store, file)

    async def cancel(self, store: str, batch: str) -> None:
        await self._attached.cancel_batch(self._tenant, store, batch)

    async def delete(self, file: str) -> None:
        with suppress(UnknownFileError):
            await self._files.delete(self._tenant, file)

    async def look(self, store: str) -> dict[str, str]:
        """How each of its files stands."""
        page = await self._attached.files(self._tenant, store, Window(limit=100))
        return {view["id"]: view["status"] for view in page["data"]}

    async def remove(self, store: str) -> None:
        with suppress(RejectError):
            await self._stores.delete(self._tenant, store)


def indexing_seat(process: Process) -> Worker:
    """How the worker registers."""
    return Worker(id=process.name, topic=INDEXING_TOPIC, slots=SLOTS, handle=process, attempt_limit_s=ATTEMPT_S)


def indexing_worker(
    process: Process, journal: JournalApi, blobs: Blobs, objects: Objects, index: Index, tries: Counter[str]
) -> IndexingWorker:
    """The real pipeline, but for its converter, encoder and index."""
    tools = IndexingTools(
        objects=objects,
        converter=FailingConverter(process, tries),
        tokenize=word_spans,
        encoder=SlowEncoder(),
        index=index,
    )

    async def run(tasks: Sequence[Task], report: Report) -> None:
        await index_here(tasks, tools, report)

    return IndexingWorker(FileIndexer(run), slots=SLOTS, journal=journal, blobs=blobs, ports=process.ports)
