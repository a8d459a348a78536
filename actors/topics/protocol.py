"""A topic carries tickets. A ticket says only that there is work: it names no job, so losing one loses nothing."""

from typing import NamedTuple, Protocol


class Ticket(NamedTuple):
    """There is work at a shard."""

    shard: int = 0


class Topic(Protocol):
    """A bounded queue of tickets."""

    name: str

    async def put(self, tickets: int, shard: int = 0) -> int:
        """Add a shard's tickets in one call; a full queue drops the rest. Returns how many it took."""

    async def take(self, wait_s: float) -> Ticket | None:
        """One ticket, or None when none came within `wait_s` seconds."""
