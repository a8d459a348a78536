"""Encoders and rerankers by their handles.

A call is one batch at the most, and the next one goes when it is answered: who has many texts keeps nobody else from
their turn.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from ray import serve

from configs.profiles import load_encoder
from deployments.knowledge.batching import pieces
from deployments.knowledge.encoding import Embedded, Pair, TextOrTokens
from deployments.remote_faults import RECEIPT_S, call_of


class EncoderReplicas:
    """A service by its handle. Its replica first says that it has the call, and then what it makes of it."""

    def __init__(self, name: str, handle: Any, *, receipt_s: float = RECEIPT_S) -> None:
        self._name = name
        self._handle = handle
        self._receipt_s = receipt_s

    @classmethod
    def find(cls, deployment: str, name: str, method: str, *, receipt_s: float = RECEIPT_S) -> "EncoderReplicas":
        """Those of a service that may not be there yet."""
        handle = serve.get_deployment_handle(deployment, f"{deployment}.{name}", _check_exists=False)
        return cls(name, handle.options(method_name=method, stream=True), receipt_s=receipt_s)

    async def ask(self, items: Sequence[Any]) -> Any:
        """The answer to one batch."""
        stream = self._handle.remote(items)
        try:
            with call_of(self._name):
                async with asyncio.timeout(self._receipt_s):
                    await anext(stream)
                return await anext(stream)
        finally:
            stream.cancel()  # Serve does not notice a caller that has left


class RemoteEncoder:
    """An embedding model's service; answers `EncoderApi`. `size` texts make a call, at the most."""

    def __init__(self, replicas: EncoderReplicas, *, size: int) -> None:
        self._replicas = replicas
        self._size = size

    @classmethod
    def find(cls, name: str) -> "RemoteEncoder":
        """That of an encoder's profile."""
        return cls(EncoderReplicas.find("embedding", name, "embed"), size=load_encoder(name).batch_size)

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """See `EncoderApi`."""
        found: list[Embedded] = [await self._replicas.ask(piece) for piece in pieces(texts, self._size)]
        tokens = [count for each in found for count in each.tokens]
        return Embedded(np.concatenate([each.vectors for each in found]), tokens)


class RemoteReranker:
    """A reranking model's service; answers `RerankerApi`. `size` passages make a call, at the most."""

    def __init__(self, replicas: EncoderReplicas, *, size: int) -> None:
        self._replicas = replicas
        self._size = size

    @classmethod
    def find(cls, name: str) -> "RemoteReranker":
        """That of an encoder's profile."""
        return cls(EncoderReplicas.find("reranking", name, "scores"), size=load_encoder(name).batch_size)

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """See `RerankerApi`."""
        pairs = [Pair(query, passage) for passage in passages]
        return [score for piece in pieces(pairs, self._size) for score in await self._replicas.ask(piece)]
