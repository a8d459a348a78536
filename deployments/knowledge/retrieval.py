"""Finds the parts of files that answer a query: by vector and by words, fused, and read again by a reranker.

Invariants: only files that are in the store now, and pass the filters, are found; scores are from 0 to 1 and fall.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.index import Chunk, Hit, Index
from deployments.knowledge.encoding import EncoderApi, RerankerApi
from deployments.knowledge.filters import Attribute, Condition
from pipelines.errors import TransientError

CANDIDATES = 50  # of each search, at least
RERANKED = 32  # of the fused, at least
DAMPING = 60  # how little the first places weigh more than the next, as Cormack et al. (2009) chose it

log = logging.getLogger("heliograph")
Vector = NDArray[np.float32]
Attachments = Collection[str] | None  # None: all that there are
Find = Callable[[str, Attachments], Awaitable[list[Hit]]]  # in a store, among these


class Attached(NamedTuple):
    """A file of a store."""

    file: str
    filename: str
    attributes: Mapping[str, Attribute]


class Shelf(NamedTuple):
    """A store, and its files by attachment."""

    store: str
    files: Mapping[str, Attached]


class Search(NamedTuple):
    """What is looked for; several queries are several ways to say it. The weights are those of vectors and of words."""

    queries: Sequence[str]
    limit: int = 10
    condition: Condition | None = None
    threshold: float = 0.0
    weights: tuple[float, float] = (1.0, 1.0)
    rerank: str = "best_effort"  # or `required`, or `none`


class Passage(NamedTuple):
    """A part of a file that was found: `text` stands from `start` to `end` of the converted text, in characters."""

    attachment: str
    attached: Attached
    text: str
    start: int
    end: int
    score: float


class Ranking(NamedTuple):
    """What one search has found, the best first, and how much that counts."""

    weight: float
    hits: Sequence[Hit]


class Retriever:
    """For one process. Raises StoreUnavailableError, and whatever the models raise."""

    def __init__(self, index: Index, encoder: EncoderApi, reranker: RerankerApi | None = None) -> None:
        self._index = index
        self._encoder = encoder
        self._reranker = reranker

    async def search(self, tenant: str, shelves: Sequence[Shelf], search: Search) -> list[Passage]:
        """The best passages of the files of these stores.

        A score is the reranker's; without one it says how near to the top all searches had the passage. A reranker that
        cannot be reached is gone without, where it is `best_effort`.
        """
        files = {name: file for shelf in shelves for name, file in shelf.files.items()}
        wanted = [_Wanted(shelf, search.condition) for shelf in shelves]
        hits = fuse(await self._rankings(tenant, [each for each in wanted if each.attachments], search))
        hits = hits[: max(search.limit, RERANKED)]
        if search.rerank != "none" and self._reranker is not None and hits:
            hits = await self._reranked(self._reranker, search, hits)
        best = [hit for hit in hits[: search.limit] if hit.score >= search.threshold]
        return [_passage(hit, files[hit.chunk.attachment]) for hit in best]

    async def _rankings(self, tenant: str, wanted: "Sequence[_Wanted]", search: Search) -> list[Ranking]:
        """By vector and by words, for each query, over all stores."""
        if not wanted:
            return []
        limit = max(CANDIDATES, 2 * search.limit)
        by_vector, by_words = search.weights
        vectors: Sequence[Vector] = list((await self._encoder.embed(search.queries)).vectors) if by_vector else []
        words = search.queries if by_words else []

        async def near(vector: Vector, store: str, among: Attachments) -> list[Hit]:
            return await self._index.nearest(tenant, store, vector, limit=limit, attachments=among)

        async def matching(text: str, store: str, among: Attachments) -> list[Hit]:
            return await self._index.matching(tenant, store, text, limit=limit, attachments=among)

        searches = [
            *(_ranking(by_vector, partial(near, vector), wanted, limit) for vector in vectors),
            *(_ranking(by_words, partial(matching, text), wanted, limit) for text in words),
        ]
        return await asyncio.gather(*searches)

    async def _reranked(self, reranker: RerankerApi, search: Search, hits: list[Hit]) -> list[Hit]:
        """By the query that each answers best."""
        passages = [hit.chunk.text for hit in hits]
        try:
            scores = await asyncio.gather(*(reranker.scores(query, passages) for query in search.queries))
        except TransientError as error:
            if search.rerank == "required":
                raise
            log.warning("reranking was gone without", extra={"error": str(error)})
            return hits
        best = map(max, zip(*scores, strict=True))
        return _sorted(Hit(hit.chunk, score) for hit, score in zip(hits, best, strict=True))


class _Wanted:
    """The attachments of a store that may be found."""

    def __init__(self, shelf: Shelf, condition: Condition | None) -> None:
        self.store = shelf.store
        self.attachments = {
            name for name, file in shelf.files.items() if condition is None or condition(file.attributes)
        }
        self._narrowed = condition is not None

    async def found(self, find: Find) -> list[Hit]:
        """What a search finds among them; to name them all is slow, and seldom necessary."""
        if not self._narrowed:
            hits = await find(self.store, None)
            if all(hit.chunk.attachment in self.attachments for hit in hits):
                return hits
        return await find(self.store, self.attachments)


async def _ranking(weight: float, find: Find, wanted: Sequence[_Wanted], limit: int) -> Ranking:
    found = await asyncio.gather(*(each.found(find) for each in wanted))
    return Ranking(weight, _sorted(chain.from_iterable(found))[:limit])


def fuse(rankings: Sequence[Ranking]) -> list[Hit]:
    """One ranking of several by reciprocal ranks; a chunk that all have first has the score 1."""
    scores: dict[str, float] = defaultdict(float)
    chunks: dict[str, Chunk] = {}
    total = sum(ranking.weight for ranking in rankings)
    for ranking in rankings:
        for rank, hit in enumerate(ranking.hits, start=1):
            scores[hit.chunk.id] += ranking.weight / total * (DAMPING + 1) / (DAMPING + rank)
            chunks[hit.chunk.id] = hit.chunk
    return _sorted(Hit(chunks[name], min(1.0, score)) for name, score in scores.items())


def _sorted(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))


def _passage(hit: Hit, attached: Attached) -> Passage:
    chunk = hit.chunk
    return Passage(chunk.attachment, attached, chunk.text, chunk.start, chunk.end, hit.score)
