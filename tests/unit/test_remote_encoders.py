"""Encoders by handle; the handle here gives a receipt and an answer, or a fault, or nothing."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pytest
from ray.exceptions import ActorUnavailableError, RayTaskError
from ray.serve.exceptions import BackPressureError

from deployments.inference.slots import QueueFullError
from deployments.knowledge.encoding import Embedded, Pair
from deployments.remote_encoders import EncoderReplicas, RemoteEncoder, RemoteReranker
from pipelines.errors import RejectError, TransientError

QUIET_S = 0.01


class Handle:
    """Each call answers what `answer` makes of it, after its receipt."""

    def __init__(self, answer: Callable[[Any], Any], *, receipt: bool = True) -> None:
        self.calls: list[Any] = []
        self.cancelled = 0
        self._answer = answer
        self._receipt = receipt

    def remote(self, items: Any) -> "Stream":
        self.calls.append(items)
        return Stream(self, items)


class Stream:
    def __init__(self, handle: Handle, items: Any) -> None:
        self._handle = handle
        self._items = items
        self._begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if not self._begun:
            self._begun = True
            if not self._handle._receipt:
                await asyncio.Event().wait()
            return None
        return self._handle._answer(self._items)

    def cancel(self) -> None:
        self._handle.cancelled += 1


def replicas(handle: Handle) -> EncoderReplicas:
    return EncoderReplicas("m", handle, receipt_s=QUIET_S)


def embedded(texts: list[str]) -> Embedded:
    return Embedded(np.array([[float(text), 0] for text in texts], np.float32), [len(text) for text in texts])


def failing(fault: Exception) -> Callable[[Any], Any]:
    def answer(_: Any) -> Any:
        raise fault

    return answer


async def test_many_texts_go_in_batches_and_come_back_in_their_order() -> None:
    handle = Handle(embedded)
    found = await RemoteEncoder(replicas(handle), size=3).embed([str(number) for number in range(8, 13)])
    assert found.vectors[:, 0].tolist() == [8, 9, 10, 11, 12]
    assert found.tokens == [1, 1, 2, 2, 2]
    assert handle.calls == [["8", "9", "10"], ["11", "12"]]


async def test_many_passages_go_in_batches_with_their_query() -> None:
    handle = Handle(lambda pairs: [float(pair.passage) for pair in pairs])
    reranker = RemoteReranker(replicas(handle), size=2)
    assert await reranker.scores("q", ["3", "1", "2"]) == [3, 1, 2]
    assert handle.calls == [[Pair("q", "3"), Pair("q", "1")], [Pair("q", "2")]]
    assert await reranker.scores("q", []) == []


async def test_without_a_receipt_there_is_no_replica_and_the_call_is_withdrawn() -> None:
    handle = Handle(embedded, receipt=False)
    with pytest.raises(TransientError) as caught:
        await RemoteEncoder(replicas(handle), size=3).embed(["1"])
    assert caught.value.retry_after_s
    assert handle.cancelled == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (RayTaskError("embed", "", RejectError("no such id", code="invalid_value")), RejectError),
        (RayTaskError("embed", "", TransientError("the thread")), TransientError),
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), QueueFullError),
        (ActorUnavailableError("gone", None), TransientError),
    ],
)
async def test_faults_keep_their_meaning(fault: Exception, kind: type[Exception]) -> None:
    handle = Handle(failing(fault))
    with pytest.raises(kind):
        await RemoteEncoder(replicas(handle), size=3).embed(["1", "2", "3", "4"])
    assert (len(handle.calls), handle.cancelled) == (1, 1)
