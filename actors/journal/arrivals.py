"""Claims that wait a moment for a step which is coming: its job is being written, or the step before it is claimed."""

import asyncio
import contextlib
from collections.abc import Callable


class Arrivals:
    """Who waits, by topic."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Event] = {}

    async def wait(self, topic: str, wait_s: float) -> None:
        """Returns when a step of the topic is ready, or after so long."""
        arrival = self._awaited.setdefault(topic, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await arrival.wait()

    def tell(self, is_ready: Callable[[str], bool]) -> None:
        """These topics have ready steps."""
        for topic in [topic for topic in self._awaited if is_ready(topic)]:
            self._awaited.pop(topic).set()
