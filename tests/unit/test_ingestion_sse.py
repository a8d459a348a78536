"""The reply that is a stream: what it sends when, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from deployments.history.stream_events import StreamFrame
from deployments.ingestion.readers import DrainError
from deployments.ingestion.sse import EventStream
from tests.asgi_stream import AsgiStream

Batches = AsyncGenerator[Sequence[StreamFrame]]
FRAMES = [StreamFrame(number, "t", f"event: t\ndata: {number}\n\n".encode()) for number in range(4)]


class Source:
    """Gives a batch when told to; an exception is raised."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[list[StreamFrame] | Exception | None] = asyncio.Queue()
        self.closed = False
        self.taken = 0

    async def batches(self) -> Batches:
        try:
            while (batch := await self.queue.get()) is not None:
                if isinstance(batch, Exception):
                    raise batch
                self.taken += 1
                yield batch
        finally:
            self.closed = True

    def give(self, *batches: list[StreamFrame] | Exception | None) -> None:
        for batch in batches:
            self.queue.put_nowait(batch)


async def test_the_head_goes_out_before_anything_is_there() -> None:
    async with AsgiStream(EventStream(Source().batches(), headers={"x-more": "1"})) as client:
        assert client.headers["content-type"].startswith("text/event-stream")
        assert (client.headers["cache-control"], client.headers["x-accel-buffering"]) == ("no-cache", "no")
        assert client.headers["x-more"] == "1"
        assert "content-length" not in client.headers


async def test_batches_go_out_whole_and_the_end_is_said() -> None:
    source = Source()
    source.give(FRAMES[:1], FRAMES[1:3], [], FRAMES[3:], None)
    async with AsgiStream(EventStream(source.batches())) as client:
        assert await client.chunks() == [
            b"event: t\ndata: 0\n\n",
            b"event: t\ndata: 1\n\nevent: t\ndata: 2\n\n",
            b": ping\n\n",
            b"event: t\ndata: 3\n\n",
            b"data: [DONE]\n\n",
        ]
        assert client.complete


async def test_a_client_that_leaves_is_noticed_at_once_and_told_of() -> None:
    source, gone = Source(), []

    async def on_gone() -> None:
        gone.append(source.closed)

    async with AsgiStream(EventStream(source.batches(), on_gone=on_gone)):
        pass
    assert gone == [True]


async def test_who_stays_to_the_end_is_not_gone() -> None:
    source, gone = Source(), []

    async def on_gone() -> None:
        gone.append(1)

    source.give(None)
    async with AsgiStream(EventStream(source.batches(), on_gone=on_gone)) as client:
        await client.chunks()
    assert gone == []


async def test_a_server_that_cancels_the_request_says_that_the_client_has_left() -> None:
    source, gone = Source(), asyncio.Event()

    async def on_gone() -> None:
        gone.set()

    async with AsgiStream(EventStream(source.batches(), on_gone=on_gone)) as client:
        assert client.task is not None
        client.task.cancel()
    assert gone.is_set()
    assert source.closed
    assert client.task.cancelled()


async def test_nothing_is_taken_for_a_client_that_does_not_read() -> None:
    source = Source()
    source.give(*([frame] for frame in FRAMES), None)
    async with AsgiStream(EventStream(source.batches()), room=0) as client:
        for number in range(3):
            client.take()
            assert await client.chunk() == FRAMES[number].sse
            assert source.taken <= number + 2


@pytest.mark.parametrize("error", [DrainError("over"), RuntimeError("broken")])
async def test_a_stream_that_is_cut_has_no_end(error: Exception) -> None:
    source = Source()
    source.give(FRAMES[:1], error)
    async with AsgiStream(EventStream(source.batches())) as client:
        assert await client.chunks() == [FRAMES[0].sse]
        assert not client.complete
    assert client.task is not None
    assert isinstance(client.task.exception(), RuntimeError) == isinstance(error, RuntimeError)
