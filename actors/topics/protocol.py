"""A topic carries tickets. A ticket says only that there is work: it names no job, so losing one loses nothing."""

from typing import Protocol


class Topic(Protocol):
    """A bounded queue of tickets."""

    name: str

    async def put(self, tickets: int) -> int:
        """Add tickets in one call; a full queue drops the rest. Returns how many it took."""

    async def take(self, wait_s: float) -> bool:
        """One ticket, or False when none came within `wait_s` seconds."""
