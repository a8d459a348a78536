"""The load generator: one HTTP request after another on each of many keep-alive connections.

It shares the machine's cores with the servers, so it spends as little as it can: about 12 microseconds of CPU a
request, where aiohttp spends 200. All sides of a comparison get their load from here.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, NamedTuple, cast

import httptools


class Load(NamedTuple):
    """What came back. Times are monotonic seconds."""

    started: float
    answered: float  # when the last answer was complete
    statuses: Counter[int]

    def check(self, status: int) -> None:
        """Raise RuntimeError unless every answer had this status: a refused request is no result."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"expected only answers {status}, got {dict(self.statuses)}")


def post(path: str, body: dict[str, Any]) -> bytes:
    """A whole POST request with a JSON body."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def send(port: int, requests: Iterable[bytes], *, connections: int) -> Load:
    """Send all requests to 127.0.0.1, each connection taking the next one when it has its answer.

    Raises ConnectionError where the server closes a connection before it answered.
    """
    source, statuses = iter(requests), Counter[int]()
    lanes = [await _connect(port, source, statuses) for _ in range(connections)]
    started = monotonic()
    for lane in lanes:
        lane.next()
    try:
        await asyncio.gather(*(lane.done for lane in lanes))
    finally:
        for lane in lanes:
            lane.transport.close()
    return Load(started, monotonic(), statuses)


async def _connect(port: int, source: Iterator[bytes], statuses: Counter[int]) -> "_Lane":
    loop = asyncio.get_running_loop()
    _, lane = await loop.create_connection(lambda: _Lane(source, statuses, loop.create_future()), "127.0.0.1", port)
    return lane


class _Lane(asyncio.Protocol):
    """One connection. httptools calls `on_message_complete` when an answer is whole."""

    transport: asyncio.Transport

    def __init__(self, source: Iterator[bytes], statuses: Counter[int], done: asyncio.Future[None]) -> None:
        self.done = done
        self._source = source
        self._statuses = statuses
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._statuses[self._parser.get_status_code()] += 1
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the server closed a connection before its answer: {error}"))

    def next(self) -> None:
        """Send the next request, or be done."""
        request = next(self._source, None)
        if request is None:
            self.done.set_result(None)
        else:
            self.transport.write(request)
