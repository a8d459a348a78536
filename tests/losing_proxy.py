"""A proxy that loses an answer: what was asked is done, and whoever asked does not hear of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

PIECE = 1 << 16


class LosingProxy:
    """Passes everything on, but for the answer to the first request that has this in it."""

    def __init__(self, url: str, losing: bytes) -> None:
        self._target = urlsplit(url)
        self._losing = losing
        self._lost: asyncio.StreamWriter | None = None  # the connection whose answer is lost
        self._serving: set[asyncio.Task[Any]] = set()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, losing: bytes) -> AsyncIterator[Self]:
        proxy = cls(url, losing)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            for task in proxy._serving:
                task.cancel()
            await asyncio.gather(*proxy._serving, return_exceptions=True)

    @property
    def has_lost(self) -> bool:
        return self._lost is not None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection(self._target.hostname, self._target.port)
        tasks = [asyncio.create_task(self._ask(reader, down)), asyncio.create_task(self._answer(up, down, writer))]
        self._serving.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for each in (down, writer):
            each.close()

    async def _ask(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            if self._losing in data and not self.has_lost:
                self._lost = down
            down.write(data)
            await down.drain()

    async def _answer(self, up: asyncio.StreamReader, down: asyncio.StreamWriter, writer: asyncio.StreamWriter) -> None:
        while (data := await up.read(PIECE)) and down is not self._lost:
            writer.write(data)
            await writer.drain()
