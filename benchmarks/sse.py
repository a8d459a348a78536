"""Readers of Server-Sent Events: one stream after another on each of many keep-alive connections.

They share the machine's cores with the servers, so they keep the bytes as they come and look at them afterwards.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic

import httptools

from benchmarks.lanes import Lane, connected, run

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
    await run(await connected(port, lambda: _Lane(source, streams, marker), connections))
    refused = [stream for stream in streams if stream.status != 200]
    if refused:
        raise RuntimeError(f"{len(refused)} streams were refused, one with {refused[0].status}: {refused[0].body!r}")
    return streams


def get(path: str) -> bytes:
    """A whole GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class _Lane(Lane):
    """One connection with its streams."""

    def __init__(self, source: Iterator[bytes], streams: list[Stream], marker: bytes) -> None:
        super().__init__(source)
        self._streams = streams
        self._marker = marker
        self._stream = Stream()

    def begin(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self._stream = Stream(started=monotonic())

    def on_body(self, body: bytes) -> None:
        self._stream.pieces.append(body)
        if not self._stream.first and self._marker in body:
            self._stream.first = monotonic()

    def answered(self) -> None:
        self._stream.ended = monotonic()
        self._stream.status = self.parser.get_status_code()
        self._streams.append(self._stream)
