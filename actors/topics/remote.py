"""A topic of the actor that has all topics of a cluster, and comes back empty after a crash."""

import asyncio

from actors.remotes import RemoteActor
from actors.topics.protocol import Ticket

LATE_S = 5.0  # an actor that answers nothing for so long after the wait counts as gone


class RemoteTopic:
    """See `protocol.Topic`. What the actor held when it was lost is lost, harmlessly.

    Raises UnreachableError or TimeoutError where it stays away.
    """

    def __init__(self, name: str, actor: RemoteActor) -> None:
        self.name = name
        self._actor = actor

    async def put(self, tickets: int, shard: int = 0) -> int:
        """Add tickets in one call; a full queue drops the rest."""
        async with asyncio.timeout(LATE_S):
            taken: int = await self._actor.call("put", self.name, tickets, shard)
        return taken

    async def take(self, wait_s: float) -> Ticket | None:
        """One ticket, or None."""
        async with asyncio.timeout(wait_s + LATE_S):
            shard: int | None = await self._actor.call("take", self.name, wait_s)
        return None if shard is None else Ticket(shard)
