"""The Serve applications of encoders and rerankers, each alone: thin shells around what `encoders.py` makes.

Serve puts calls together: what comes within `batch_wait_s` of a profile, up to its `batch_size`, is one batch.
"""

from collections.abc import AsyncGenerator, Sequence, Sized
from typing import Any

import numpy as np
from ray import serve
from ray.serve import Application

from actors.system import real_ports
from actors.telemetry.setup import process_telemetry
from configs.profiles import EncoderProfile, load_encoder
from configs.settings import EncoderSettings
from deployments.autoscaling import call_scaling_options
from deployments.departure import leaving_options
from deployments.encoders import make_encoder, make_reranker
from deployments.inference.slots import QUEUE
from deployments.knowledge.encoding import Embedded, Pair, TextOrTokens, Vectors

HEALTH_S = 2  # a replica that died is replaced this soon


def items_in(calls: Sequence[Sized]) -> int:
    """How many texts or passages these calls have together."""
    return sum(map(len, calls))


class Embedding:
    """Makes vectors with one model."""

    async def __init__(self, settings: EncoderSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        telemetry = settings.telemetry.model_dump()
        self._metrics = real_ports(**process_telemetry(f"embedding.{settings.encoder}", **telemetry)).metrics
        profile = load_encoder(settings.encoder)
        self._encoder = make_encoder(profile)
        if not profile.lazy:
            await self._encoder.start()
        set_batch(self._vectors, profile)

    async def embed(self, texts: Sequence[TextOrTokens]) -> AsyncGenerator[Embedded | None, None]:
        """A receipt, and then the answer of `EncoderApi`."""
        yield None
        ids = await self._encoder.tokens(texts)
        yield Embedded(await self._vectors(ids), [len(each) for each in ids])

    @serve.batch(batch_size_fn=items_in)  # type: ignore[untyped-decorator]
    async def _vectors(self, calls: Any) -> Any:
        ids: list[list[int]] = [each for call in calls for each in call]
        self._metrics.observe("batch_size", len(ids), batch="embedding")
        vectors: Vectors = await self._encoder.vectors(ids)
        return np.split(vectors, np.cumsum([len(call) for call in calls])[:-1])

    async def __del__(self) -> None:
        self._encoder.close()


class Reranking:
    """Scores passages with one model."""

    async def __init__(self, settings: EncoderSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        telemetry = settings.telemetry.model_dump()
        self._metrics = real_ports(**process_telemetry(f"reranking.{settings.encoder}", **telemetry)).metrics
        profile = load_encoder(settings.encoder)
        self._reranker = make_reranker(profile)
        if not profile.lazy:
            await self._reranker.start()
        set_batch(self._pairs, profile)

    async def scores(self, pairs: Sequence[Pair]) -> AsyncGenerator[list[float] | None, None]:
        """A receipt, and then the score of each pair."""
        yield None
        yield await self._pairs(pairs)

    @serve.batch(batch_size_fn=items_in)  # type: ignore[untyped-decorator]
    async def _pairs(self, calls: Any) -> Any:
        pairs: list[Pair] = [pair for call in calls for pair in call]
        self._metrics.observe("batch_size", len(pairs), batch="reranking")
        scores = iter(await self._reranker.pairs(pairs))
        return [[next(scores) for _ in call] for call in calls]

    async def __del__(self) -> None:
        self._reranker.close()


def set_batch(method: Any, profile: EncoderProfile) -> None:
    """Put the calls of a batched method together as a profile says."""
    method.set_max_batch_size(profile.batch_size)
    method.set_batch_wait_timeout_s(profile.batch_wait_s)


def embedding(settings: EncoderSettings) -> Application:
    """The workers of an embedding model."""
    return _deployment(Embedding, "embedding", settings)


def reranking(settings: EncoderSettings) -> Application:
    """The workers of a reranking model."""
    return _deployment(Reranking, "reranking", settings)


def _deployment(worker: type, name: str, settings: EncoderSettings) -> Application:
    profile = load_encoder(settings.encoder)
    options = {
        "ray_actor_options": {"num_cpus": profile.num_cpus, "num_gpus": profile.num_gpus},
        "max_ongoing_requests": 2 * profile.batch_size,  # a batch that is read, and one that waits
        "max_queued_requests": QUEUE,
        "health_check_period_s": HEALTH_S,
        **leaving_options(settings),
        **call_scaling_options(settings.replicas),
    }
    return serve.deployment(worker, name=name, **options).bind(settings)
