"""From attached files to passages: the worker has them indexed, and the searcher finds what is there."""

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

import pytest

from actors.blobs import Blobs
from actors.index import Index
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.objects import Objects
from deployments.file_search import FileSearch
from deployments.knowledge.converter import Converter
from deployments.knowledge.indexer import FileIndexer
from deployments.knowledge.indexing import IndexingTools
from deployments.knowledge.indexing_worker import IndexingWorker
from deployments.knowledge.live_files import LiveFiles
from deployments.knowledge.retrieval import Retriever
from deployments.knowledge.searcher import Searcher
from pipelines.data.indexing import Report, Task, index_here
from pipelines.edits import CompleteFile, ReserveFile
from pipelines.errors import RejectError, TransientError
from pipelines.vector_edits import DetachFile, UpdateAttributes
from tests.encoders import WordEncoder, WordReranker, word_spans
from tests.factories import make_ports
from tests.indexing_house import PoisonedEncoder
from tests.vector_stores import STORE, attach, claim_files, file_of, make_store, to_attach

LONG = "\n".join(f"line {number} of the long file" for number in range(400))


class Away:
    """A reranker that cannot be reached."""

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        raise TransientError(f"no answer to {query} and {len(passages)} passages")


class Shelves:
    """A journal, an index, and what stands between them."""

    def __init__(self, folder: Path, reranker: WordReranker | Away | None = None) -> None:
        ports = make_ports()
        self.journal = Journal(MemoryStore(Disk(uuid="one")), ports=ports)
        self.objects = Objects(str(folder / "files"))
        self.index = Index(str(folder / "index"), ports.ids)
        tools = IndexingTools(
            objects=self.objects,
            converter=Converter(),
            tokenize=word_spans,
            encoder=PoisonedEncoder(),
            index=self.index,
        )
        indexer = FileIndexer(partial(run_here, tools))
        blobs = Blobs(self.journal, folder, ports.clock)
        self.worker = IndexingWorker(indexer, slots=8, journal=self.journal, blobs=blobs, ports=ports)
        retriever = Retriever(self.index, WordEncoder(), reranker)
        self.searcher = Searcher(retriever, live=LiveFiles(self.journal, ports), index=self.index)

    async def put(self, *contents: bytes | str) -> None:
        """Files file-0, file-1, … in the store vs_1."""
        await make_store(self.journal)
        for number, content in enumerate(contents):
            file = f"file-{number}"
            data = content if isinstance(content, bytes) else content.encode()
            reserve = ReserveFile(file=file, tenant="default", filename=f"{number}.txt", purpose="assistants")
            await self.journal.edit([reserve])
            await self.objects.put("default", file, _pieces(data))
            await self.journal.edit([CompleteFile(file=file, tenant="default", size=len(data))])
        await self.journal.edit([attach(*(to_attach(number) for number in range(len(contents))))])
        await self.worker.handle(list((await claim_files(self.journal)).values()))
        while self.worker.held():
            await self.worker.wait_for_slot()


async def run_here(tools: IndexingTools, tasks: Sequence[Task], report: Report) -> None:
    await index_here(tasks, tools, report)


async def _pieces(content: bytes) -> AsyncGenerator[bytes]:
    yield content


def search(*queries: str, **changes: object) -> FileSearch:
    return FileSearch(**{"stores": ("vs_1",), "queries": queries, **changes})  # type: ignore[arg-type]


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path, WordReranker())


async def test_an_indexed_file_is_found_with_its_name_place_and_attributes(shelves: Shelves) -> None:
    await shelves.put("the moon pulls the tides", "a heron stands in the reeds")
    await shelves.journal.edit([UpdateAttributes(**STORE, file="file-1", attributes='{"bird": true}')])
    (best, _) = await shelves.searcher.search("default", search("heron reeds"))
    assert (best.file_id, best.filename, best.attributes) == ("file-1", "1.txt", {"bird": True})
    assert (best.text, best.start, best.end, best.score) == ("a heron stands in the reeds", 0, 27, 1.0)


async def test_the_journal_is_told_how_each_file_went(shelves: Shelves) -> None:
    await shelves.put("fine words", b"\x89PNG\0\0", "", "poison")
    rows = [await file_of(shelves.journal, number) for number in range(4)]
    assert [(row.status, row.error_code) for row in rows] == [
        ("completed", ""),
        ("failed", "unsupported_file"),
        ("failed", "invalid_file"),
        ("in_progress", ""),  # to be tried again: it may not be the file's fault
    ]
    assert rows[0].usage_bytes > len("fine words")


async def test_the_text_of_a_file_comes_back_whole(shelves: Shelves) -> None:
    await shelves.put(LONG)
    parts = await shelves.searcher.texts("default", "vs_1", (await file_of(shelves.journal, 0)).id)
    assert len(parts) > 3
    assert "".join(parts) == LONG


async def test_a_detached_file_is_found_no_more_though_its_chunks_are_there(shelves: Shelves) -> None:
    await shelves.put("the moon pulls the tides", "moon and stars")
    await shelves.journal.edit([DetachFile(**STORE, file="file-0")])
    assert [each.file_id for each in await shelves.searcher.search("default", search("moon"))] == ["file-1"]


async def test_filters_threshold_and_number_are_kept_to(shelves: Shelves) -> None:
    await shelves.put("moon tides", "moon only", "bread")
    await shelves.journal.edit([UpdateAttributes(**STORE, file="file-0", attributes='{"year": 1}')])
    only = {"type": "eq", "key": "year", "value": 1}
    found = await shelves.searcher.search("default", search("moon", filters=only))
    assert [each.file_id for each in found] == ["file-0"]
    found = await shelves.searcher.search("default", search("moon tides", score_threshold=0.6))
    assert [each.file_id for each in found] == ["file-0"]
    assert len(await shelves.searcher.search("default", search("moon", max_num_results=1))) == 1


async def test_a_job_is_given_more_than_it_wants_to_rerank_them(shelves: Shelves) -> None:
    await shelves.put("moon tides", "moon only", "bread")
    found = await shelves.searcher.find("default", search("moon tides", max_num_results=1, score_threshold=1.0))
    assert found[0].file_id == "file-0"
    assert len(found) == 3


async def test_malformed_filters_and_unknown_stores_are_refused(shelves: Shelves) -> None:
    await shelves.put("moon")
    with pytest.raises(RejectError):
        await shelves.searcher.search("default", search("moon", filters={"type": "like"}))
    with pytest.raises(RejectError):
        await shelves.searcher.search("default", search("moon", stores=("vs_2",)))
    with pytest.raises(RejectError):
        await shelves.searcher.find("other", search("moon"))


async def test_a_reranker_that_is_away_is_missed_only_where_it_is_required(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path, Away())
    await shelves.put("moon tides", "bread")
    assert (await shelves.searcher.search("default", search("moon tides")))[0].file_id == "file-0"
    with pytest.raises(TransientError):
        await shelves.searcher.search("default", search("moon tides", rerank="required"))
