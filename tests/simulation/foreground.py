"""Ingestion's part in foreground jobs: a session that calls the journal, and clients that leave before the end."""

import asyncio
from typing import Any

from actors.journal.protocol import Session
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.middleware import DEFAULT_TENANT
from pipelines.commands import Cancel, Submit
from tests.simulation.process import Process

CALL_S = 5.0
PATIENCE_S = 10.0  # the longest that a client waits
RETRY_S = 0.5


class Foreground:
    """Of one process."""

    def __init__(self, process: Process, journal: Any, blobs: Any) -> None:
        self._process = process
        self._journal = journal
        self._blobs = blobs
        self._session = process.ports.ids.new("session")
        process.spawn(self._call(), "session")

    async def submit(self, body: dict[str, Any]) -> str:
        """A job whose client waits a while and then leaves."""
        request = GenerateBody.model_validate(body).request()
        (payload,) = await self._blobs.pack_many([(DEFAULT_TENANT, request.encode())])
        job_id = self._process.ports.ids.new("resp")
        command = Submit(
            job_id=job_id,
            tenant=DEFAULT_TENANT,
            pipeline="generate",
            model=request.model,
            request=payload,
            deadline_s=body["deadline_s"],
            attached_to=self._session,
        )
        await self._journal.submit([command])
        self._process.spawn(self._leave(job_id), "leave")
        return job_id

    async def _call(self) -> None:
        while True:
            try:
                await self._journal.session(Session(self._session, self._process))
            except Exception:  # noqa: BLE001 - it calls again
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(CALL_S)

    async def _leave(self, job_id: str) -> None:
        await asyncio.sleep(self._process.random.random() * PATIENCE_S)
        cancel = Cancel(job_id=job_id, tenant=DEFAULT_TENANT, attached_to=self._session)
        while True:
            try:
                await self._journal.cancel([cancel])
            except Exception:  # noqa: BLE001 - it tries again
                await asyncio.sleep(RETRY_S)
            else:
                return
