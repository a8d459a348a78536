"""A topic on a `ray.util.queue.Queue`: one named, detached actor that comes back empty after a crash."""

import asyncio
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.queue import Empty, Full, Queue

from actors.naming import NAMESPACE
from actors.topics.protocol import Ticket

LATE_S = 5.0  # a queue that answers nothing for so long after the wait counts as gone


class RayTopic:
    """See `protocol.Topic`. A lost queue is found again at the next call; what it held is lost, harmlessly."""

    def __init__(self, name: str, *, size: int) -> None:
        self.name = name
        self._size = size
        self._actor: Any = None

    async def put(self, tickets: int, shard: int = 0) -> int:
        """Add tickets in one call; a full queue drops the rest."""
        actor = await self._resolve()
        taken = min(tickets, self._size)
        try:
            async with asyncio.timeout(LATE_S):
                await actor.put_nowait_batch.remote([shard] * taken)
        except Full:
            return 0
        except RayError:
            self._actor = None
            raise
        return taken

    async def take(self, wait_s: float) -> Ticket | None:
        """One ticket, or None."""
        actor = await self._resolve()
        try:
            async with asyncio.timeout(wait_s + LATE_S):
                return Ticket(await actor.get.remote(wait_s))
        except Empty:
            return None
        except (RayError, TimeoutError):
            self._actor = None
            raise

    async def _resolve(self) -> Any:
        if self._actor is None:
            self._actor = await asyncio.to_thread(open_queue, self.name, self._size)
        return self._actor


def open_queue(name: str, size: int) -> Any:
    """The actor of the queue with this name, made when it is not there. Blocking."""
    options = {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "num_cpus": 0,
        "scheduling_strategy": "DEFAULT",  # never inside the placement group of a replica that asks first
    }
    actor = Queue(size, actor_options=options).actor
    ray.get(actor.qsize.remote())
    return actor
