import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest

from deployments.ingestion.direct_reply import Parts, StreamReply
from deployments.ingestion.fan_in import fan_in
from pipelines.errors import TransientError


class Client:
    """An ASGI client: what it was sent, and when it leaves."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def take(self, reply: StreamReply) -> None:
        await reply({"type": "http"}, self.receive, self.send)

    @property
    def body(self) -> bytes:
        return b"".join([message.get("body", b"") for message in self.sent])


class Source:
    """Parts that come when told to; knows whether it was closed."""

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)
        self.closed = False
        self.more = asyncio.Event()

    async def stream(self) -> Parts:
        try:
            for part in self.parts:
                if part is None:
                    await self.more.wait()
                elif isinstance(part, Exception):
                    raise part
                else:
                    yield [part]
        finally:
            self.closed = True


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0)


async def test_the_parts_are_sent_as_they_come_and_then_the_end() -> None:
    client, source = Client(), Source({"a": 1}, {"a": 2})
    await client.take(StreamReply(source.stream()))
    assert client.body == b'data: {"a":1}\n\ndata: {"a":2}\n\ndata: [DONE]\n\n'
    assert [message["type"] for message in client.sent] == ["http.response.start", *["http.response.body"] * 4]
    assert client.sent[-1]["more_body"] is False


async def test_silence_is_broken_by_comments_also_before_the_first_part() -> None:
    client, source = Client(), Source(None, {"a": 1})
    taking = asyncio.create_task(client.take(StreamReply(source.stream(), keep_alive_s=0.001)))
    await until(lambda: client.body.count(b": ping\n\n") >= 2)
    source.more.set()
    await taking
    assert client.body.endswith(b'data: {"a":1}\n\ndata: [DONE]\n\n')


async def test_a_fault_before_anything_was_sent_is_raised() -> None:
    client = Client()
    with pytest.raises(TransientError):
        await client.take(StreamReply(Source(TransientError("not now")).stream()))
    assert client.sent == []


async def test_a_fault_later_is_an_event_and_no_end_follows() -> None:
    client = Client()
    await client.take(StreamReply(Source({"a": 1}, TransientError("gone")).stream()))
    assert b'data: {"error":{"message":' in client.body
    assert b"[DONE]" not in client.body
    assert client.sent[-1]["more_body"] is False


@pytest.mark.parametrize("before", [[], [{"a": 1}]])
async def test_a_client_that_leaves_closes_the_source(before: list[Any]) -> None:
    client, source = Client(), Source(*before, None)
    taking = asyncio.create_task(client.take(StreamReply(source.stream())))
    await until(lambda: len(client.sent) == (2 if before else 0))
    await asyncio.sleep(0)
    client.left.set()
    await taking
    assert source.closed
    assert b"[DONE]" not in client.body


async def numbers(*values: int, fault: Exception | None = None) -> AsyncGenerator[int, None]:
    for value in values:
        await asyncio.sleep(0)
        yield value
    if fault is not None:
        raise fault


@pytest.mark.parametrize("streams", [[(1, 2)], [(1, 2), (), (3,)]])
async def test_several_streams_are_heard_as_one(streams: Sequence[tuple[int, ...]]) -> None:
    heard = [item async for item in fan_in([numbers(*values) for values in streams])]
    assert sorted(heard) == [(index, value) for index, values in enumerate(streams) for value in values]


async def test_the_first_fault_of_several_closes_all() -> None:
    endless = Source(None)
    with pytest.raises(ValueError, match="no"):
        async for _ in fan_in([numbers(fault=ValueError("no")), endless.stream()]):
            pass
    assert endless.closed
