"""Searches stores for clients and for jobs, among the files that the journal says are there."""

from collections.abc import Sequence

from actors.index import Index
from deployments.file_search import FileSearch
from deployments.knowledge.filters import parse_filters
from deployments.knowledge.live_files import LiveFiles
from deployments.knowledge.retrieval import RERANKED, Passage, Retriever, Search, Shelf
from pipelines import payloads


class Searcher:
    """Answers `KnowledgeApi` and `FinderApi`. Of one process.

    Raises RejectError for an unknown or expired store and for malformed filters; StoreUnavailableError, TransientError.
    """

    def __init__(self, retriever: Retriever, *, live: LiveFiles, index: Index) -> None:
        self._retriever = retriever
        self._live = live
        self._index = index

    async def search(self, tenant: str, search: FileSearch) -> list[payloads.Passage]:
        """The passages that fit best, best first, in their final order, no more than are wanted."""
        return await self._passages(
            tenant, search, _meant(search)._replace(threshold=search.score_threshold, rerank=search.rerank)
        )

    async def find(self, tenant: str, search: FileSearch) -> list[payloads.Passage]:
        """The passages that fit best by meaning and by words, best first, more than are wanted in the end."""
        meant = _meant(search)
        return await self._passages(tenant, search, meant._replace(limit=max(meant.limit, RERANKED), rerank="none"))

    async def texts(self, tenant: str, store: str, attachment: str) -> list[str]:
        """The text of an indexed file, in parts that follow each other."""
        parts, end = [], 0
        for chunk in await self._index.chunks(tenant, store, attachment):
            parts.append(chunk.text[end - chunk.start :])
            end = chunk.end
        return parts

    async def _passages(self, tenant: str, search: FileSearch, meant: Search) -> list[payloads.Passage]:
        files: Sequence[Shelf] = [
            Shelf(store, files)
            for store, files in zip(search.stores, await self._live.of(tenant, search.stores), strict=True)
        ]
        return [_payload(passage) for passage in await self._retriever.search(tenant, files, meant)]


def _meant(search: FileSearch) -> Search:
    condition = None if search.filters is None else parse_filters(search.filters)
    return Search(search.queries, limit=search.max_num_results, condition=condition, weights=search.weights)


def _payload(passage: Passage) -> payloads.Passage:
    file = passage.attached
    return payloads.Passage(
        file_id=file.file,
        filename=file.filename,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        score=passage.score,
        attributes=dict(file.attributes),
    )
