"""What ingestion does, without HTTP: the routes call it, and so does the Python SDK by handle."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from actors.blobs import Blobs
from actors.depths import known_depths
from actors.journal.protocol import JournalApi
from actors.token_log.protocol import TokenLogApi
from deployments.history.history import HistoryApi, UnknownJobError
from deployments.history.stream_events import StreamFrame
from deployments.ingestion.attachments import Attachment, Attachments
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.bulk import accept_many
from deployments.ingestion.cards import ModelCard, Renderer
from deployments.ingestion.door import Accepted, Call, Door, locked, unknown_model
from deployments.ingestion.errors import ApiError, api_error, over_budget, too_many
from deployments.ingestion.idempotency import idempotency_key
from deployments.ingestion.middleware import DEFAULT_TENANT
from deployments.ingestion.readers import Readers, Subject
from deployments.ingestion.resolver import Draft, Resolver
from deployments.ingestion.session import OwnSession
from deployments.prompting.past import Asked, fetch_pasts
from events.ids import is_id
from pipelines.commands import Cancel, Redrive, Verdict
from pipelines.errors import RejectError
from pipelines.jobs import Fault, Job, Status
from pipelines.payloads import Request
from pipelines.ports import Ports
from pipelines.steps import PROMPTING_TOPIC, inference_topic

GENERATE_PATH = "/async-generate"
UNKNOWN_FAULT = Fault("server_error", "the job failed")


class IngestionService:
    """Accepts jobs and shows what becomes of them. Raises ApiError, RejectError, UnknownJobError, TransientError.

    `searches` says whether there is knowledge to ask; `handle` lets the journal notice the death of this process.
    """

    def __init__(  # noqa: PLR0913 - one per part
        self,
        *,
        journal: JournalApi,
        token_log: TokenLogApi,
        blobs: Blobs,
        history: HistoryApi,
        renderer: Renderer,
        models: Mapping[str, ModelCard],
        ports: Ports,
        searches: bool = False,
        handle: Any = None,
    ) -> None:
        self.models = models
        self.history = history
        self.ids = ports.ids
        self.resolver = Resolver(history, ports.ids)
        self.leaving = asyncio.Event()  # this process will end, and what is under way may end before it
        self.draining = asyncio.Event()  # it ends now
        self._journal = journal
        self._ports = ports
        self._blobs = blobs
        self._renderer = renderer
        self._door = Door(
            journal=journal, blobs=blobs, renderer=renderer, models=models, ports=ports, searches=searches
        )
        self._session = OwnSession(journal, ports=ports, handle=handle)
        self._attachments = Attachments(self._door, self._session, journal=journal, ports=ports)
        self._readers = Readers(journal=journal, token_log=token_log, history=history, blobs=blobs, ports=ports)

    async def submit(self, body: Mapping[str, Any], tenant: str = DEFAULT_TENANT, key: str = "") -> str:
        """Accept a body as `POST /async-generate` takes it, with its idempotency key if it has one.

        Returns the job's id. Refusals are ApiErrors.
        """
        raw = to_json(body)
        try:
            parsed = GenerateBody.model_validate_json(raw)
            word = idempotency_key(GENERATE_PATH, key, raw)
            call = Call(tenant=tenant, size=len(raw), deadline_s=parsed.deadline_s, key=word)
            accepted = await self.accept(parsed.request(), call)
        except (RejectError, ValidationError) as error:
            raise api_error(error) from None  # the one of them that survives the way between processes
        return accepted.job_id

    async def submit_many(
        self, jobs: Sequence[dict[str, Any]], tenant: str = DEFAULT_TENANT, key: str = ""
    ) -> list[str | ApiError]:
        """The same for up to 1 000 bodies, of which each is refused alone. Returns an id or an ApiError for each."""
        try:
            return await self.accept_many(to_json({"jobs": jobs}), Call(tenant=tenant, size=0), key)
        except ValidationError as error:
            raise api_error(error) from None  # as above

    async def accept_many(self, raw: bytes, call: Call, word: str) -> list[str | ApiError]:
        """The jobs of a BulkBody; what `submit_many` returns. Raises ValidationError where it is none."""
        return await accept_many(self._door, raw, call, word)

    async def accept(self, request: Request, call: Call) -> Accepted:
        """Check a request, then submit it. Returns once the job is on disk."""
        return await self._door.accept(request, call)

    async def attach(self, draft: Draft, call: Call) -> Attachment:
        """Accept a job whose client waits for it."""
        return await self._attachments.submit(draft.request, replace(call, parent=draft.parent))

    async def count(self, request: Request, tenant: str) -> int:
        """How many tokens the prompt of a request has."""
        if request.model not in self.models:
            raise unknown_model(request.model)
        request = request.model_copy(update={"parent_rendered": None})  # its words are enough
        (past,) = await fetch_pasts(self._blobs, [Asked(tenant, request)])
        counted: int = await self._ports.run_blocking(lambda: self._renderer.count(request, past))
        return counted

    async def fault(self, subject: Subject) -> Fault:
        """Why a job failed."""
        return (await self._row(subject.tenant, subject.job_id)).fault or UNKNOWN_FAULT

    async def job(self, job_id: str, tenant: str = DEFAULT_TENANT) -> dict[str, Any]:
        """The native view of a job."""
        return await self.history.job(tenant, job_id)

    async def result(self, job_id: str, tenant: str = DEFAULT_TENANT) -> dict[str, Any]:
        """OpenAI's Response object of a job."""
        return await self.history.response(tenant, job_id)

    async def cancel(self, job_id: str, tenant: str = DEFAULT_TENANT) -> dict[str, Any]:
        """End a job; returns its view. A job that ended otherwise is an ApiError."""
        await self._row(tenant, job_id)
        (answer,) = await self._journal.cancel([Cancel(job_id=job_id, tenant=tenant)])
        if answer.verdict is Verdict.UNKNOWN:
            raise UnknownJobError(job_id)
        if answer.verdict is Verdict.ERROR:
            raise RuntimeError(f"the journal could not cancel {job_id}: {answer.detail}")
        if answer.status is not Status.CANCELLED:
            raise ApiError(400, f"Cannot cancel a {answer.status} response.")
        return await self.job(job_id, tenant)

    async def redrive(self, job_ids: Sequence[str], tenant: str, *, per_second: float | None = None) -> list[str]:
        """Do dead letters again, so many of them per second (None: all at once); the ids of the new jobs.

        A letter that was redriven before gives the job of then. Raises UnknownJobError for what is no dead letter, and
        ApiError where the tenant's budget or a conversation does not allow all of them; the others are redriven.
        """
        batch = [
            Redrive(job_id=job_id, tenant=tenant, delay_s=number / per_second if per_second else 0.0)
            for number, job_id in enumerate(job_ids)
        ]
        answers = await self._journal.redrive(batch)
        for job_id, answer in zip(job_ids, answers, strict=True):
            if answer.verdict is Verdict.TOO_MANY:
                raise too_many()
            if answer.verdict is Verdict.OVER_BUDGET:
                raise over_budget()
            if answer.verdict is Verdict.LOCKED:
                raise locked()
            if answer.verdict is not Verdict.DONE:
                raise UnknownJobError(job_id)
        return [answer.job_id for answer in answers]

    async def stream(
        self, job_id: str, starting_after: int = -1, tenant: str = DEFAULT_TENANT
    ) -> AsyncGenerator[dict[str, Any]]:
        """The frames of `WS /jobs/{id}/stream`, up to and with the one `end`."""
        subject = await self.subject(job_id, tenant)
        async with aclosing(self._readers.stream(subject, starting_after)) as frames:
            async for frame in frames:
                yield frame

    async def subject(self, job_id: str, tenant: str = DEFAULT_TENANT) -> Subject:
        """What `events` reads: a job of this tenant. Who has just submitted it makes a Subject of its request."""
        return Subject(job_id, tenant, (await self._row(tenant, job_id)).request)

    async def subject_of(self, accepted: Accepted, request: Request, tenant: str) -> Subject:
        """The same for a job that was just accepted; one that was there before may have been asked for otherwise."""
        if accepted.replayed:
            return await self.subject(accepted.job_id, tenant)
        return Subject(accepted.job_id, tenant, request)

    async def events(self, subject: Subject, starting_after: int = -1) -> AsyncGenerator[StreamFrame]:
        """OpenAI's events of a job above a number that was shown, up to and with the terminal one.

        Raises UnknownJobError where the job is removed meanwhile, DrainError where this process ends.
        """
        async with aclosing(self._readers.events(subject, starting_after)) as batches:
            async for batch in batches:
                for frame in batch:
                    yield frame

    async def end(self, subject: Subject) -> StreamFrame:
        """The terminal one alone, when it comes. Raises what `events` raises."""
        return await self._readers.end(subject)

    def event_batches(self, subject: Subject, starting_after: int = -1) -> AsyncGenerator[list[StreamFrame]]:
        """The same, as many at once as there are, and [] after each silence: what `EventStream` sends."""
        return self._readers.events(subject, starting_after)

    async def leave(self, within_s: float, served: asyncio.Event) -> None:
        """Let what is under way end by itself until `served`, for so many seconds at the most; then cut the streams."""
        self.leaving.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(served.wait(), within_s)
        self.drain()

    def drain(self) -> None:
        """Cut all streams: their readers resume elsewhere."""
        self.leaving.set()
        self.draining.set()
        self._readers.drain()

    async def unready(self) -> str | None:
        """Why jobs would not be worked on now; None where they would."""
        depth = await known_depths(self._journal)
        topics = {inference_topic(card.name) for card in self.models.values() if not card.scales_to_zero}
        idle = sorted(t for t in {PROMPTING_TOPIC, *topics} if t not in depth or not depth[t].workers)
        return f"no workers on {', '.join(idle)}" if idle else None

    async def close(self) -> None:
        """End the background loops."""
        await self._session.close()
        await self._readers.close()

    async def _row(self, tenant: str, job_id: str) -> Job:
        (job,) = await self._journal.jobs(tenant, [job_id]) if is_id(job_id) else [None]
        if job is None:
            raise UnknownJobError(job_id)
        return job
