"""Keep-alive connections that each send one HTTP request after another, as cheaply as Python can."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import httptools

L = TypeVar("L", bound="Lane")


class Lane(asyncio.Protocol):
    """One connection. httptools calls `on_message_complete`, and `on_body` where a lane has it."""

    transport: asyncio.Transport

    def __init__(self, source: Iterator[bytes]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self._source = source

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the server."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Take the answer and send the next request."""
        self.answered()
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        """Too early, unless all is done."""
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the server closed a connection before its answer: {error}"))

    def next(self) -> None:
        """Send the next request, or be done."""
        request = next(self._source, None)
        if request is None:
            self.done.set_result(None)
            return
        self.begin()
        self.transport.write(request)

    def begin(self) -> None:
        """A request is about to be sent."""

    def answered(self) -> None:
        """An answer is whole."""


async def connected(port: int, make: Callable[[], L], connections: int) -> list[L]:
    """So many connections to 127.0.0.1, with nothing sent yet."""
    loop = asyncio.get_running_loop()
    pairs = await asyncio.gather(*(loop.create_connection(make, "127.0.0.1", port) for _ in range(connections)))
    return [lane for _, lane in pairs]


async def run(lanes: Sequence[Lane]) -> None:
    """Send everything; closes the connections. Raises ConnectionError where the server closes one before."""
    for lane in lanes:
        lane.next()
    try:
        await asyncio.gather(*(lane.done for lane in lanes))
    finally:
        for lane in lanes:
            lane.transport.close()
