"""Clients of jobs in the foreground: each waits a while and leaves before the end."""

import asyncio
from typing import Any

from deployments.ingestion.attachments import Attachment
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.door import Call
from deployments.ingestion.resolver import Draft
from deployments.ingestion.service import IngestionService
from tests.simulation.process import Process

PATIENCE_S = 10.0  # the longest that a client waits


class Foreground:
    """Of one process, and one tenant."""

    def __init__(self, tenant: str, process: Process, service: IngestionService) -> None:
        self._tenant = tenant
        self._process = process
        self._service = service

    async def submit(self, body: dict[str, Any]) -> str:
        """A job whose client waits a while and then leaves."""
        request = GenerateBody.model_validate(body).request()
        call = Call(tenant=self._tenant, size=0, deadline_s=body["deadline_s"])
        attachment = await self._service.attach(Draft(request), call)
        self._process.spawn(self._leave(attachment), "leave")
        return attachment.subject.job_id

    async def _leave(self, attachment: Attachment) -> None:
        await asyncio.sleep(self._process.random.random() * PATIENCE_S)
        await attachment.gone()
