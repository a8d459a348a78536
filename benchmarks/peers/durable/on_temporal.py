"""Temporal: a workflow of three activities on its own server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():  # the same module, not one loaded again for each workflow
    from benchmarks.peers.durable.door import SLOTS, STORE, until_sigterm

QUEUE = "jobs"
_FINISHED = "ExecutionStatus = 'Completed'"


@activity.defn
async def first(text: str) -> str:
    """The first step."""
    return text


@activity.defn
async def second(text: str) -> str:
    """The second."""
    return text


@activity.defn
async def third(text: str) -> str:
    """The last."""
    return text


@workflow.defn
class Job:
    """The three steps."""

    @workflow.run
    async def run(self, text: str) -> str:
        """One after the other."""
        for step in (first, second, third):
            text = await workflow.execute_activity(step, text, start_to_close_timeout=timedelta(seconds=60))
        return text


async def work() -> None:
    """Do jobs until SIGTERM."""
    worker = Worker(
        await Client.connect(STORE),
        task_queue=QUEUE,
        workflows=[Job],
        activities=[first, second, third],
        max_concurrent_activities=SLOTS,
        max_concurrent_workflow_tasks=SLOTS,
    )
    async with worker:
        await until_sigterm()


class Jobs:
    """See `door.Jobs`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def submit(self, text: str) -> str:
        """Start the workflow."""
        return str((await self._client.start_workflow(Job.run, text, id=str(uuid4()), task_queue=QUEUE)).id)

    async def result(self, job_id: str) -> str:
        """The server lets it wait."""
        return str(await self._client.get_workflow_handle(job_id).result())

    async def finished(self) -> int:
        """Ask the server."""
        return int((await self._client.count_workflows(_FINISHED)).count)


@asynccontextmanager
async def opened() -> AsyncIterator[Jobs]:
    """The client."""
    yield Jobs(await Client.connect(STORE))
