"""Topics inside one process."""

import asyncio

from actors.topics.protocol import Ticket


class InProcessTopic:
    """See `protocol.Topic`."""

    def __init__(self, name: str, *, size: int) -> None:
        self.name = name
        self._queue: asyncio.Queue[Ticket] = asyncio.Queue(size)

    async def put(self, tickets: int, shard: int = 0) -> int:
        """Add tickets; a full queue drops the rest."""
        taken = min(tickets, self._queue.maxsize - self._queue.qsize())
        for _ in range(taken):
            self._queue.put_nowait(Ticket(shard))
        return taken

    async def take(self, wait_s: float) -> Ticket | None:
        """One ticket, or None."""
        try:
            async with asyncio.timeout(wait_s):  # `wait_for` may swallow the cancellation of whoever takes
                return await self._queue.get()
        except TimeoutError:
            return None


class InProcessTopics:
    """Topics by name, each made when it is first asked for."""

    def __init__(self, *, size: int) -> None:
        self._size = size  # of each, in tickets
        self._topics: dict[str, InProcessTopic] = {}

    def topic(self, name: str) -> InProcessTopic:
        """The one with this name."""
        if name not in self._topics:
            self._topics[name] = InProcessTopic(name, size=self._size)
        return self._topics[name]
