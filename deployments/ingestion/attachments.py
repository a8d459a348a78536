"""Who waits for which foreground job: a job whose last client has left is cancelled.

Invariants:
- A client that goes before the end is noticed whatever it was waiting for, also before its first event was sent, and
  also where it goes while its job is being submitted.
- With an idempotency key it has a while to come back, in which the same request attaches it again.
- A job whose submission was not answered is cancelled too: nobody knows of it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from starlette.types import Receive

from actors.journal.protocol import JournalApi
from deployments.history.history import UnknownJobError
from deployments.ingestion.door import Accepted, Call, Door
from deployments.ingestion.readers import Subject
from deployments.ingestion.session import OwnSession
from pipelines.commands import Cancel
from pipelines.errors import TransientError
from pipelines.jobs import Reference
from pipelines.payloads import Request
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
KEYED_PATIENCE_S = 5.0
RETRIES = 10  # of a cancel, each as patient as the journal's handle
RETRY_S = 1.0
T = TypeVar("T")


class Attachment:
    """One client that waits for one job. Ends with `close`, or with `gone` where it did not wait for the end."""

    def __init__(self, attachments: "Attachments", subject: Subject, call: Call, *, replayed: bool) -> None:
        self.subject = subject
        self.replayed = replayed
        self._call = call
        self._attachments = attachments
        self._open = True

    async def gone(self) -> None:
        """The client is gone."""
        if self._open:
            self.close()
            self._attachments.miss(self.subject.job_id, self._call)

    def close(self) -> None:
        """The client has what it wanted, or comes again."""
        if self._open:
            self._open = False
            self._attachments.release(self.subject.job_id)


class Attachments:
    """All of this process."""

    def __init__(self, door: Door, session: OwnSession, *, journal: JournalApi, ports: Ports) -> None:
        self._door = door
        self._session = session
        self._journal = journal
        self._ports = ports
        self._present: Counter[str] = Counter()

    async def submit(self, request: Request, call: Call) -> Attachment:
        """Accept a job whose client waits. Raises what `Door.accept` raises."""
        call = replace(call, attached_to=self._session.begin())
        attaching = asyncio.ensure_future(self._attach(request, call))
        try:
            return await asyncio.shield(attaching)
        except asyncio.CancelledError:
            self._ports.spawn(_too_late(attaching), "abandon")
            raise

    def miss(self, job_id: str, call: Call) -> None:
        """A client went before the end: cancel its job unless another one waits for it."""
        self._ports.spawn(self._abandon(job_id, call), "abandon")

    def release(self, job_id: str) -> None:
        """One client less."""
        self._present[job_id] -= 1
        if not self._present[job_id]:
            del self._present[job_id]

    async def _attach(self, request: Request, call: Call) -> Attachment:
        command = await self._door.prepare(request, call)
        try:
            accepted = await self._door.submit(command, call)
        except TransientError:  # the job may be on disk all the same, and its client hears of no job
            self.miss(command.job_id, call)
            raise
        asked = await self._asked(accepted, call) if accepted.replayed else request
        self._present[accepted.job_id] += 1
        return Attachment(self, Subject(accepted.job_id, call.tenant, asked), call, replayed=accepted.replayed)

    async def _asked(self, accepted: Accepted, call: Call) -> Reference:
        """What was asked the first time; item ids are other ones now."""
        (job,) = await self._journal.jobs(call.tenant, [accepted.job_id])
        if job is None:
            raise UnknownJobError(accepted.job_id)
        return job.request

    async def _abandon(self, job_id: str, call: Call) -> None:
        if call.key:
            await self._ports.sleep(KEYED_PATIENCE_S)
        cancel = Cancel(job_id=job_id, tenant=call.tenant, attached_to=self._session.id)
        for _ in range(RETRIES):
            if job_id in self._present:
                return
            try:
                await self._journal.cancel([cancel])
            except TransientError:
                await self._ports.sleep(RETRY_S)
            else:
                return
        log.error("a job without a client could not be cancelled", extra={"job": job_id})


async def _too_late(attaching: "asyncio.Future[Attachment]") -> None:
    await asyncio.wait([attaching])
    if not attaching.cancelled() and attaching.exception() is None:
        await attaching.result().gone()


async def while_present(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result; None where the client left first, which ends the work."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
