"""Finds the parts of files that answer a query: by vector and by words, fused, and read again by a reranker.

Invariants: only files that are in the store now, and pass the filters, are found; scores are from 0 to 1 and fall.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from actors.index import Chunk, Hit, Index
from deployments.knowledge.encoding import EncoderApi, RerankerApi
from deployments.knowledge.filters import Attribute, Condition

CANDIDATES = 50  # of each search, at least
RERANKED = 32  # of the fused, at least
DAMPING = 60  # how little the first places weigh more than the next, as Cormack et al. (2009) chose it


class Attached(NamedTuple):
    """A file of a store."""

    file: str
    filename: str
    attributes: Mapping[str, Attribute]


class Search(NamedTuple):
    """What is looked for; several queries are several ways to say it."""

    queries: Sequence[str]
    limit: int = 10
    condition: Condition | None = None
    threshold: float = 0.0
    rerank: bool = True


class Passage(NamedTuple):
    """A part of a file that was found: `text` stands from `start` to `end` of the converted text, in characters."""

    attachment: str
    attached: Attached
    text: str
    start: int
    end: int
    score: float


class Retriever:
    """For one process. Raises StoreUnavailableError, and whatever the models raise."""

    def __init__(self, index: Index, encoder: EncoderApi, reranker: RerankerApi | None = None) -> None:
        self._index = index
        self._encoder = encoder
        self._reranker = reranker

    async def search(self, tenant: str, store: str, live: Mapping[str, Attached], search: Search) -> list[Passage]:
        """The best passages of a store's files, which are given by attachment.

        A score is the reranker's; without one it says how near to the top all searches had the passage.
        """
        condition = search.condition
        wanted = [name for name, each in live.items() if condition is None or condition(each.attributes)]
        if not wanted:
            return []
        rankings = await self._rankings(tenant, store, search, set(wanted), narrowed=condition is not None)
        hits = fuse(rankings)[: max(search.limit, RERANKED)]
        if search.rerank and self._reranker is not None and hits:
            hits = await self._reranked(self._reranker, search.queries, hits)
        best = [hit for hit in hits[: search.limit] if hit.score >= search.threshold]
        return [_passage(hit, live[hit.chunk.attachment]) for hit in best]

    async def _rankings(
        self, tenant: str, store: str, search: Search, wanted: Collection[str], *, narrowed: bool
    ) -> list[list[Hit]]:
        """By vector and by words, for each query."""
        limit = max(CANDIDATES, 2 * search.limit)
        vectors = (await self._encoder.embed(search.queries)).vectors

        async def near(query: int, among: Collection[str] | None) -> list[Hit]:
            return await self._index.nearest(tenant, store, vectors[query], limit=limit, attachments=among)

        async def matching(query: int, among: Collection[str] | None) -> list[Hit]:
            return await self._index.matching(tenant, store, search.queries[query], limit=limit, attachments=among)

        each = [(find, query) for find in (near, matching) for query in range(len(search.queries))]
        return await asyncio.gather(*(_found(find, query, wanted, narrowed=narrowed) for find, query in each))

    async def _reranked(self, reranker: RerankerApi, queries: Sequence[str], hits: Sequence[Hit]) -> list[Hit]:
        """By the query that each answers best."""
        passages = [hit.chunk.text for hit in hits]
        scores = await asyncio.gather(*(reranker.scores(query, passages) for query in queries))
        best = map(max, zip(*scores, strict=True))
        return _sorted(Hit(hit.chunk, score) for hit, score in zip(hits, best, strict=True))


async def _found(
    find: Callable[[int, Collection[str] | None], Awaitable[list[Hit]]],
    query: int,
    wanted: Collection[str],
    *,
    narrowed: bool,
) -> list[Hit]:
    """What a search finds among the wanted attachments; naming them all is slow, and seldom necessary."""
    if not narrowed:
        hits = await find(query, None)
        if all(hit.chunk.attachment in wanted for hit in hits):
            return hits
    return await find(query, wanted)


def fuse(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One ranking of several by reciprocal ranks; a chunk that all have first has the score 1."""
    scores: dict[str, float] = defaultdict(float)
    chunks: dict[str, Chunk] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            scores[hit.chunk.id] += (DAMPING + 1) / (DAMPING + rank) / len(rankings)
            chunks[hit.chunk.id] = hit.chunk
    return _sorted(Hit(chunks[name], min(1.0, score)) for name, score in scores.items())


def _sorted(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))


def _passage(hit: Hit, attached: Attached) -> Passage:
    chunk = hit.chunk
    return Passage(chunk.attachment, attached, chunk.text, chunk.start, chunk.end, hit.score)
