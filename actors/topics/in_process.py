"""A topic inside one process."""

import asyncio


class InProcessTopic:
    """See `protocol.Topic`."""

    def __init__(self, name: str, *, size: int) -> None:
        self.name = name
        self._queue: asyncio.Queue[str] = asyncio.Queue(size)

    async def put(self, tickets: int) -> int:
        """Add tickets; a full queue drops the rest."""
        taken = min(tickets, self._queue.maxsize - self._queue.qsize())
        for _ in range(taken):
            self._queue.put_nowait(self.name)
        return taken

    async def take(self, wait_s: float) -> bool:
        """One ticket, or False."""
        try:
            async with asyncio.timeout(wait_s):  # `wait_for` may swallow the cancellation of whoever takes
                await self._queue.get()
        except TimeoutError:
            return False
        return True
