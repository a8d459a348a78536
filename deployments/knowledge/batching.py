"""In one process, callers at once share the model's calls: what comes while it computes is its next call.

Invariant: no caller has more than one batch waiting, so who has many texts keeps nobody else from their turn.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from actors.coalescer import Coalescer
from deployments.knowledge.encoder import Encoder
from deployments.knowledge.encoding import Embedded, Pair, TextOrTokens, Vector
from deployments.knowledge.reranker import Reranker
from pipelines.ports import Ports

T = TypeVar("T")


class BatchedEncoder:
    """Answers `EncoderApi`; `size` texts go into a call, at the most."""

    def __init__(self, encoder: Encoder, *, size: int, ports: Ports) -> None:
        self._encoder = encoder
        self._size = size
        self._calls: Coalescer[list[int], Vector] = Coalescer(self._vectors, name="embedding", ports=ports, limit=size)

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """See `EncoderApi`."""
        ids = await self._encoder.tokens(texts)
        rows = [row for piece in pieces(ids, self._size) for row in await self._calls.do(piece)]
        return Embedded(np.stack(rows), [len(each) for each in ids])

    async def _vectors(self, ids: list[list[int]]) -> list[Vector]:
        return list(await self._encoder.vectors(ids))


class BatchedReranker:
    """Answers `RerankerApi`; `size` passages go into a call, at the most."""

    def __init__(self, reranker: Reranker, *, size: int, ports: Ports) -> None:
        self._size = size
        self._calls: Coalescer[Pair, float] = Coalescer(reranker.pairs, name="reranking", ports=ports, limit=size)

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """See `RerankerApi`."""
        pairs = [Pair(query, passage) for passage in passages]
        return [score for piece in pieces(pairs, self._size) for score in await self._calls.do(piece)]


def pieces(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
