"""Procrastinate: a chain of three tasks in Postgres.

It keeps no results, so the last task writes them into a table of the application's, as its users do.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import procrastinate
import psycopg_pool

from benchmarks.peers.durable.door import CONNECTIONS, POLL_S, SLOTS, STORE

_TABLE = "CREATE TABLE results (job text PRIMARY KEY, said text NOT NULL)"
_INSERT = "INSERT INTO results (job, said) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_SELECT = "SELECT said FROM results WHERE job = %s"
_FINISHED = "SELECT count(*) FROM results"

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=STORE, max_size=CONNECTIONS))
results = psycopg_pool.AsyncConnectionPool(STORE, min_size=4, max_size=CONNECTIONS, open=False)


async def first(job: str, text: str) -> None:
    """The first step."""
    await STEPS[1].defer_async(job=job, text=text)


async def second(job: str, text: str) -> None:
    """The second."""
    await STEPS[2].defer_async(job=job, text=text)


async def third(job: str, text: str) -> None:
    """The last."""
    async with results.connection() as connection:
        await connection.execute(_INSERT, [job, text])


STEPS = [app.task(step, name=step.__name__) for step in (first, second, third)]


async def prepare() -> None:
    """Make the tables."""
    async with app.open_async(), results, results.connection() as connection:
        await app.schema_manager.apply_schema_async()
        await connection.execute(_TABLE)


async def work() -> None:
    """Do jobs until SIGTERM."""
    async with app.open_async(), results:
        print("ready", flush=True)
        await app.run_worker_async(concurrency=SLOTS)


class Jobs:
    """See `door.Jobs`."""

    async def submit(self, text: str) -> str:
        """Defer the first task."""
        job = str(uuid4())
        await STEPS[0].defer_async(job=job, text=text)
        return job

    async def result(self, job_id: str) -> str:
        """Look for it every so often."""
        async with results.connection() as connection:
            while (row := await (await connection.execute(_SELECT, [job_id])).fetchone()) is None:
                await connection.commit()
                await asyncio.sleep(POLL_S)
        return str(row[0])

    async def finished(self) -> int:
        """Look into the table."""
        async with results.connection() as connection:
            (count,) = await (await connection.execute(_FINISHED)).fetchone()
        return int(count)


@asynccontextmanager
async def opened() -> AsyncIterator[Jobs]:
    """The client."""
    async with app.open_async(), results:
        yield Jobs()
