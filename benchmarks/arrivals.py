"""Requests that come when they come, whether or not the earlier ones are answered, as those of many clients do.

Times count from when a request was due, so a server that makes requests wait cannot hide it.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import NamedTuple, cast

import httptools

CONNECTIONS = 512  # requests in flight; further ones wait, and their time counts
IDLE_S = 2  # after which a connection is not used again, for its server may be about to close it
LOST = 0  # the status of a request that got no answer


class Answer(NamedTuple):
    """What one request got. Times are monotonic seconds."""

    due: float
    ended: float
    status: int
    body: bytes

    @property
    def seconds(self) -> float:
        """From when it was due."""
        return self.ended - self.due


def poisson(per_s: float, seed: int) -> Iterator[float]:
    """Seconds from one arrival to the next, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secrets
    while True:
        yield chance.expovariate(per_s)


async def offer(port: int, requests: Sequence[bytes], gaps: Iterator[float]) -> list[Answer]:
    """Send each to 127.0.0.1 when it is due. A refused or lost connection is an answer `LOST`."""
    free, idle, due = asyncio.Semaphore(CONNECTIONS), list[_Connection](), monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for request in requests:
            due += next(gaps)
            tasks.append(group.create_task(_send(port, request, due, free, idle)))
    for connection in idle:
        connection.transport.close()
    return [task.result() for task in tasks]


async def _send(port: int, request: bytes, due: float, free: asyncio.Semaphore, idle: "list[_Connection]") -> Answer:
    await asyncio.sleep(due - monotonic())
    async with free:
        try:
            connection = _warm(idle) or await _connect(port)
        except OSError:
            return Answer(due, monotonic(), LOST, b"")
        status, body = await connection.ask(request)
        if status != LOST:
            idle.append(connection)
        return Answer(due, monotonic(), status, body)


def _warm(idle: "list[_Connection]") -> "_Connection | None":
    """The one that was used last, of those that are open and were used lately."""
    while idle:
        connection = idle.pop()
        if monotonic() - connection.used < IDLE_S and not connection.transport.is_closing():
            return connection
        connection.transport.close()
    return None


async def _connect(port: int) -> "_Connection":
    _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return connection


class _Connection(asyncio.Protocol):
    """Asks one thing at a time. httptools calls the `on_` methods."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._pieces: list[bytes] = []
        self.used = 0.0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if self.transport.is_closing():
            return LOST, b""
        self._answer = asyncio.get_running_loop().create_future()
        self._pieces.clear()
        self.transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._end(LOST)

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._end(self._parser.get_status_code())

    def _end(self, status: int) -> None:
        self.used = monotonic()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, b"".join(self._pieces)))
