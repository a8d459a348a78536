"""Dramatiq: a pipeline of three actors in Redis. Its own command line runs the workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from redis import Redis

from benchmarks.peers.durable.door import PATIENCE_S, STORE

broker = RedisBroker(url=f"{STORE}/0")
broker.add_middleware(Results(backend=RedisBackend(url=f"{STORE}/1")))
dramatiq.set_broker(broker)


def step(text: str) -> str:
    """Every step."""
    return text


FIRST, SECOND = (dramatiq.actor(step, actor_name=name) for name in ("first", "second"))
THIRD = dramatiq.actor(step, actor_name="third", store_results=True)


class Jobs:
    """See `door.Jobs`."""

    def __init__(self) -> None:
        self._results = Redis.from_url(f"{STORE}/1")

    async def submit(self, text: str) -> str:
        """Enqueue the pipeline."""
        return await asyncio.to_thread(self._submit, text)

    async def result(self, job_id: str) -> str:
        """Redis lets it wait."""
        message = THIRD.message().copy(message_id=job_id)
        return str(await asyncio.to_thread(message.get_result, block=True, timeout=int(PATIENCE_S * 1000)))

    async def finished(self) -> int:
        """A database with nothing but results."""
        return int(await asyncio.to_thread(self._results.dbsize))

    def _submit(self, text: str) -> str:
        steps = (FIRST.message(text) | SECOND.message() | THIRD.message()).run()
        return str(steps.messages[-1].message_id)


@asynccontextmanager
async def opened() -> AsyncIterator[Jobs]:
    """The client."""
    yield Jobs()
