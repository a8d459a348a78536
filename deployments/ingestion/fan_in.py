"""Several streams as one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def fan_in(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """What any of them says, with its number. Raises what the first of them raises. Closing it closes all."""
    if len(streams) == 1:
        async with aclosing(streams[0]) as stream:
            async for item in stream:
                yield 0, item
        return
    heard: asyncio.Queue[tuple[int, T] | Exception | None] = asyncio.Queue()
    tasks = [asyncio.create_task(_listen(number, stream, heard)) for number, stream in enumerate(streams)]
    try:
        ended = 0
        while ended < len(tasks):
            news = await heard.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                ended += 1
            else:
                yield news
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _listen(
    number: int, stream: AsyncGenerator[T, None], heard: asyncio.Queue[tuple[int, T] | Exception | None]
) -> None:
    try:
        async with aclosing(stream):
            async for item in stream:
                heard.put_nowait((number, item))
    except Exception as error:  # noqa: BLE001 - whoever listens raises it
        heard.put_nowait(error)
    else:
        heard.put_nowait(None)
