"""Whether hybrid search and reranking find more than vectors or words alone, and how fast files are indexed.

The corpus and its queries are those of `python_docs.py`, which were fixed before anything was tuned. Pages are indexed
as a store's files are, in chunks of the size that clients get by default. A query is answered by a chunk of which half
lies in the query's section, or that has half of the section. Each way to search is asked for ten.

The speed of indexing is that of some pages, beside the encoder alone on the same chunks, in turns.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

from actors.index import Index
from actors.objects import Objects
from actors.system import real_ports
from benchmarks.judgement import Scores, judge, mean
from benchmarks.python_docs import Corpus, Page, Query, load_corpus
from benchmarks.ratios import ratios, spread
from configs.profiles import encoder_folder, load_encoder
from deployments.encoders import make_encoder, make_reranker
from deployments.knowledge.batching import BatchedEncoder, BatchedReranker
from deployments.knowledge.converter import Converter
from deployments.knowledge.indexing import IndexingTools
from deployments.knowledge.retrieval import Attached, Passage, Retriever, Search, Shelf
from deployments.knowledge.tokenizer import TextTokenizer
from pipelines.data.indexing import Task, index_here
from pipelines.data.tally import FileDone

ENCODER, RERANKER = "all-minilm-l6-v2", "maxsim"
CHUNK, OVERLAP = 800, 400  # tokens
FOUND = 10
ALONE = 40  # one query in so many is also asked by itself
MOST_PAIRS = 20_000  # of a query and a passage, which the reranker reads together here
TURNS = 5
TURN_PAGES = 4
TENANT, STORE = "bench", "vs_bench"
WAYS = {
    "vector": Search([], weights=(1.0, 0.0), rerank="none"),
    "bm25": Search([], weights=(0.0, 1.0), rerank="none"),
    "hybrid": Search([], rerank="none"),
    "hybrid_rerank": Search([], rerank="required"),
}
COMPARED = [("hybrid", "vector"), ("hybrid", "bm25"), ("hybrid_rerank", "hybrid")]


class Speed(NamedTuple):
    """Chunks per second, turn by turn."""

    indexing: list[float]
    encoder: list[float]


class Bench:
    """An index in a folder, and the models."""

    def __init__(self, folder: Path) -> None:
        ports, encoder, reranker = real_ports(), load_encoder(ENCODER), load_encoder(RERANKER)
        self._objects = Objects(str(folder / "files"))
        self.index = Index(str(folder / "index"), ports.ids)
        self.encoder = BatchedEncoder(make_encoder(encoder), size=encoder.batch_size, ports=ports)
        together = BatchedReranker(make_reranker(reranker), size=MOST_PAIRS, ports=ports)
        self._retriever = Retriever(self.index, self.encoder, together)
        tokenizer = TextTokenizer(encoder_folder(load_encoder(ENCODER)))
        self._tools = IndexingTools(
            objects=self._objects,
            converter=Converter(),
            tokenize=tokenizer.spans,
            encoder=self.encoder,
            index=self.index,
        )

    async def put(self, pages: Sequence[Page], *, store: str = STORE) -> int:
        """Index pages; the number of their chunks."""
        for page in pages:
            await self._objects.put(TENANT, _file(page.name), _content(page))
        chunks = 0

        async def count(done: list[FileDone]) -> None:
            nonlocal chunks
            if faults := [each for each in done if each.code]:
                raise RuntimeError(f"pages that were not indexed: {faults}")
            chunks += sum(each.chunks for each in done)

        await index_here([_task(page, store) for page in pages], self._tools, count)
        return chunks

    async def search(self, way: str, pages: Sequence[Page], query: Query) -> list[Passage]:
        """What a way finds for a query."""
        shelf = Shelf(STORE, {_file(page.name): Attached(_file(page.name), page.name, {}) for page in pages})
        return await self._retriever.search(TENANT, [shelf], WAYS[way]._replace(queries=[query.text], limit=FOUND))


async def speed(bench: Bench, pages: Sequence[Page]) -> Speed:
    """Each turn indexes other pages into another store, and then has their chunks embedded again."""
    found = Speed([], [])
    for turn in range(TURNS):
        chosen, store = pages[turn * TURN_PAGES : (turn + 1) * TURN_PAGES], f"{STORE}_{turn}"
        started = perf_counter()
        chunks = await bench.put(chosen, store=store)
        indexed = perf_counter()
        texts = [chunk.text for page in chosen for chunk in await bench.index.chunks(TENANT, store, _file(page.name))]
        read = perf_counter()
        await bench.encoder.embed(texts)
        found.indexing.append(chunks / (indexed - started))
        found.encoder.append(chunks / (perf_counter() - read))
        print(
            f"turn {turn}: {chunks} chunks, {found.indexing[-1]:.2f} and {found.encoder[-1]:.2f} a second", flush=True
        )
    return found


async def quality(bench: Bench, corpus: Corpus) -> dict[str, Scores]:
    """How good each way is. All queries are asked at once, so that no passage is read twice by the reranker."""
    scores = {}
    for way in WAYS:
        print(f"{way}: {await latency_ms(bench, corpus, way):.0f} ms for a query alone", flush=True)
        found = await asyncio.gather(*(bench.search(way, corpus.pages, query) for query in corpus.queries))
        scores[way] = judge([rank(passages, query) for passages, query in zip(found, corpus.queries, strict=True)])
        for name, figures in scores[way]._asdict().items():
            print(f"  {name}_at_{FOUND}: {mean(figures)}", flush=True)
    return scores


async def latency_ms(bench: Bench, corpus: Corpus, way: str) -> float:
    """The median of some queries, one after the other."""
    times = []
    for query in corpus.queries[::ALONE]:
        started = perf_counter()
        await bench.search(way, corpus.pages, query)
        times.append((perf_counter() - started) * 1000)
    return median(times)


def rank(passages: Sequence[Passage], query: Query) -> int | None:
    """Where the answer comes first, counted from 1."""
    return next((place for place, passage in enumerate(passages, start=1) if answers(passage, query)), None)


def answers(passage: Passage, query: Query) -> bool:
    """Whether half of the passage is in the section, or half of the section in the passage."""
    if passage.attached.filename != query.page:
        return False
    common = min(passage.end, query.end) - max(passage.start, query.start)
    return 2 * common >= min(passage.end - passage.start, query.end - query.start)


def result(scores: dict[str, Scores], found: Speed) -> dict[str, Any]:
    """What is printed at the end."""
    return {
        **{way: {name: mean(figures) for name, figures in each._asdict().items()} for way, each in scores.items()},
        "differences": {
            f"{ours}-{theirs}": {
                name: mean(getattr(scores[ours], name) - getattr(scores[theirs], name)) for name in Scores._fields
            }
            for ours, theirs in COMPARED
        },
        "chunks_per_s": spread(found.indexing),
        "vs_encoder": ratios(found.indexing, found.encoder),
    }


async def run() -> None:
    """Index, search, and print."""
    corpus = load_corpus()
    print(f"{len(corpus.pages)} pages, {len(corpus.queries)} queries", flush=True)
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        await bench.encoder.embed(["loads the model"])
        found = await speed(bench, [page for page in corpus.pages if 10_000 < len(page.text) < 40_000])
        print(f"{await bench.put(corpus.pages)} chunks", flush=True)
        scores = await quality(bench, corpus)
    print(json.dumps(result(scores, found)))


def _task(page: Page, store: str) -> Task:
    file = _file(page.name)
    return Task(TENANT, store, file, file, f"{file}.txt", CHUNK, OVERLAP)  # it is plain text by now


def _file(name: str) -> str:
    return name.replace("/", "-")


async def _content(page: Page) -> AsyncGenerator[bytes]:
    yield page.text.encode()


if __name__ == "__main__":
    asyncio.run(run())
