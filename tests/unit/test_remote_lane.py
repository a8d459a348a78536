import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Self

import pytest
from ray.exceptions import ActorUnavailableError, RayTaskError
from ray.serve.exceptions import BackPressureError

from deployments.inference.slots import QueueFullError
from deployments.inference.speech import Batch
from deployments.remote_lane import RemoteLane
from pipelines.errors import RejectError, TransientError
from tests.workers import prompt

RECEIPT = Batch(fingerprint="f")
LAST = Batch(finish_reason="stop")


class Call:
    """A handle, and the stream that a call of it gives: batches, then a fault or silence."""

    def __init__(self, *batches: Batch, fault: Exception | None = None) -> None:
        self._batches = list(batches)
        self._fault = fault
        self.cancelled = False

    def remote(self, *_: Any) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        if self._batches:
            return self._batches.pop(0)
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    def cancel(self) -> None:
        self.cancelled = True


class Silent(Call):
    async def __anext__(self) -> Batch:
        if self._batches:
            return self._batches.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


def generate(call: Call) -> AsyncGenerator[Batch, None]:
    return RemoteLane("m", call, receipt_s=0.01).generate(prompt())


async def test_the_batches_of_the_replica_are_handed_on() -> None:
    assert [batch async for batch in generate(Call(RECEIPT, LAST))] == [RECEIPT, LAST]


async def test_without_a_receipt_there_is_no_replica_and_the_call_is_withdrawn() -> None:
    call = Silent()
    with pytest.raises(TransientError) as caught:
        await anext(generate(call))
    assert caught.value.retry_after_s
    assert call.cancelled


async def test_after_the_receipt_an_answer_may_take_its_time_and_who_leaves_ends_it() -> None:
    call = Silent(RECEIPT)
    stream = generate(call)
    assert await anext(stream) == RECEIPT
    await stream.aclose()
    assert call.cancelled


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (RayTaskError("generate", "", RejectError("no", code="invalid_value")), RejectError),
        (RayTaskError("generate", "", QueueFullError("full")), QueueFullError),
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), QueueFullError),
        (ActorUnavailableError("gone", None), TransientError),
    ],
)
async def test_faults_keep_their_meaning(fault: Exception, kind: type[Exception]) -> None:
    call = Call(RECEIPT, fault=fault)
    with pytest.raises(kind):
        [batch async for batch in generate(call)]
    assert call.cancelled
