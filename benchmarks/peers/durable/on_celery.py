"""Celery: a chain of three tasks in Redis. Its own command line runs the workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery, chain
from celery.result import AsyncResult
from redis import Redis

from benchmarks.peers.durable.door import PATIENCE_S, STORE

app = Celery("jobs", broker=f"{STORE}/0", backend=f"{STORE}/1")
# A task whose worker dies is done again, and what it enqueues is not lost with it.
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, broker_connection_retry_on_startup=True)


def step(text: str) -> str:
    """Every step."""
    return text


FIRST, SECOND = (app.task(step, name=name, ignore_result=True) for name in ("first", "second"))
THIRD = app.task(step, name="third")


class Jobs:
    """See `door.Jobs`."""

    def __init__(self) -> None:
        self._results = Redis.from_url(f"{STORE}/1")

    async def submit(self, text: str) -> str:
        """Enqueue the chain."""
        return await asyncio.to_thread(self._submit, text)

    async def result(self, job_id: str) -> str:
        """Celery is told by Redis."""
        return str(await asyncio.to_thread(AsyncResult(job_id, app=app).get, timeout=PATIENCE_S))

    async def finished(self) -> int:
        """A database with nothing but results."""
        return int(await asyncio.to_thread(self._results.dbsize))

    def _submit(self, text: str) -> str:
        return str(chain(FIRST.s(text), SECOND.s(), THIRD.s()).apply_async().id)


@asynccontextmanager
async def opened() -> AsyncIterator[Jobs]:
    """The client."""
    yield Jobs()
