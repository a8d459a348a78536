"""DBOS: a workflow of three steps on a queue in Postgres."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg_pool
from dbos import DBOS, DBOSClient, DBOSConfig

from benchmarks.peers.durable.door import CONNECTIONS, POLL_S, SLOTS, STORE, until_sigterm

QUEUE = "jobs"
_FINISHED = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"


async def first(text: str) -> str:
    """The first step."""
    return text


async def second(text: str) -> str:
    """The second."""
    return text


async def third(text: str) -> str:
    """The last."""
    return text


async def work() -> None:
    """Do jobs until SIGTERM."""
    # Every process has a name of its own: one that starts takes up what another of its name has left.
    config = DBOSConfig(
        name="bench",
        system_database_url=STORE,
        sys_db_pool_size=CONNECTIONS,
        executor_id=str(os.getpid()),
        log_level="WARNING",
    )
    DBOS(config=config)
    steps = [DBOS.step()(step) for step in (first, second, third)]

    async def job(text: str) -> str:
        for step in steps:
            text = await step(text)
        return text

    DBOS.workflow(name="job")(job)
    DBOS.launch()
    await DBOS.register_queue_async(QUEUE, worker_concurrency=SLOTS, polling_interval_sec=POLL_S)
    await until_sigterm()
    DBOS.destroy()


class Jobs:
    """See `door.Jobs`."""

    def __init__(self, client: DBOSClient, pool: psycopg_pool.AsyncConnectionPool) -> None:
        self._client = client
        self._pool = pool

    async def submit(self, text: str) -> str:
        """Enqueue the workflow."""
        handle = await self._client.enqueue_async({"workflow_name": "job", "queue_name": QUEUE}, text)
        workflow_id: str = handle.get_workflow_id()
        return workflow_id

    async def result(self, job_id: str) -> str:
        """Look for it every so often."""
        handle = await self._client.retrieve_workflow_async(job_id)
        text: str = await handle.get_result(polling_interval_sec=POLL_S)
        return text

    async def finished(self) -> int:
        """Look into the table."""
        async with self._pool.connection() as connection:
            (count,) = await (await connection.execute(_FINISHED)).fetchone()
        return int(count)


@asynccontextmanager
async def opened() -> AsyncIterator[Jobs]:
    """The client."""
    client = DBOSClient(system_database_url=STORE, system_database_pool_size=CONNECTIONS)
    async with psycopg_pool.AsyncConnectionPool(STORE, min_size=1) as pool:
        yield Jobs(client, pool)
    client.destroy()
