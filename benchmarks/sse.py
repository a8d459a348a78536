"""Readers of Server-Sent Events: one stream after another on each of many keep-alive connections.

They share the machine's cores with the servers, so they keep the bytes as they come and look at them afterwards.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import cast

import httptools

_EVENT = re.compile(rb"^data: \{", re.MULTILINE)  # comments and [DONE] are none


@dataclass(slots=True)
class Stream:
    """What one request got. Times are monotonic seconds; `first` is when the reader's marker came, 0 for never."""

    started: float = 0.0
    first: float = 0.0
    ended: float = 0.0
    status: int = 0
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    @property
    def events(self) -> int:
        """How many events it had."""
        return len(_EVENT.findall(self.body))


async def read(port: int, requests: Iterable[bytes], *, connections: int, marker: bytes = b"data:") -> list[Stream]:
    """Send all requests to 127.0.0.1, each connection taking the next one when its stream has ended.

    Raises ConnectionError where the server closes a connection before a stream's end, RuntimeError where it refuses.
    """
    source, streams = iter(requests), list[Stream]()
    lanes = await asyncio.gather(*(_connect(port, source, streams, marker) for _ in range(connections)))
    for lane in lanes:
        lane.next()
    try:
        await asyncio.gather(*(lane.done for lane in lanes))
    finally:
        for lane in lanes:
            lane.transport.close()
    refused = [stream for stream in streams if stream.status != 200]
    if refused:
        raise RuntimeError(f"{len(refused)} streams were refused, one with {refused[0].status}: {refused[0].body!r}")
    return streams


def get(path: str) -> bytes:
    """A whole GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


async def _connect(port: int, source: Iterator[bytes], streams: list[Stream], marker: bytes) -> "_Lane":
    loop = asyncio.get_running_loop()
    lane = _Lane(source, streams, marker, loop.create_future())
    await loop.create_connection(lambda: lane, "127.0.0.1", port)
    return lane


class _Lane(asyncio.Protocol):
    """One connection. httptools calls `on_body` and `on_message_complete`."""

    transport: asyncio.Transport

    def __init__(
        self, source: Iterator[bytes], streams: list[Stream], marker: bytes, done: asyncio.Future[None]
    ) -> None:
        self.done = done
        self._source = source
        self._streams = streams
        self._marker = marker
        self._stream = Stream()
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._stream.pieces.append(body)
        if not self._stream.first and self._marker in body:
            self._stream.first = monotonic()

    def on_message_complete(self) -> None:
        self._stream.ended = monotonic()
        self._stream.status = self._parser.get_status_code()
        self._streams.append(self._stream)
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the server closed a connection before a stream's end: {error}"))

    def next(self) -> None:
        """Send the next request, or be done."""
        request = next(self._source, None)
        if request is None:
            self.done.set_result(None)
            return
        self._parser = httptools.HttpResponseParser(self)
        self._stream = Stream(started=monotonic())
        self.transport.write(request)
