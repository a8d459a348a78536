"""Asks all shards of a cluster how much work there is, for one who may not block its event loop to find them."""

import asyncio
from typing import Any

import ray

from actors.depths import merge_depths
from actors.journal.protocol import Depth
from actors.naming import NAMESPACE, journal_name


class RemoteDepths:
    """The journals, found when first asked. After an error make a new one: an actor may be another by then."""

    def __init__(self) -> None:
        self._journals: list[Any] = []

    async def ask(self) -> dict[str, Depth]:
        """The work of every topic. Raises where a shard does not answer: part of the work is no measure of all."""
        if not self._journals:
            first = await _find(0)
            shards = (await first.info.remote()).shards
            self._journals = [first, *[await _find(shard) for shard in range(1, shards)]]
        return merge_depths(await asyncio.gather(*(journal.depth.remote() for journal in self._journals)))


async def _find(shard: int) -> Any:
    """`get_actor` waits for an answer of the cluster, so it runs on a thread."""
    return await asyncio.to_thread(ray.get_actor, journal_name(shard), NAMESPACE)
