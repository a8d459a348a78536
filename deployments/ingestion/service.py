"""What ingestion does, without HTTP: the routes call it, and so does the Python SDK by handle.

Invariants: an id is returned only after its event is on disk; nothing is enqueued for a request that is refused.
"""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError
from pydantic_core import to_json

from actors.blobs import Blobs
from actors.coalescer import Coalescer
from actors.crash_points import crash_point
from actors.journal.protocol import JournalApi
from actors.telemetry.tracing import new_traceparent
from actors.token_log.protocol import TokenLogApi
from deployments.history.history import HistoryApi, UnknownJobError
from deployments.history.stream_events import StreamFrame
from deployments.ingestion.bodies import DEFAULT_DEADLINE_S, GenerateBody
from deployments.ingestion.errors import ApiError, api_error, over_budget
from deployments.ingestion.idempotency import idempotency_key
from deployments.ingestion.middleware import DEFAULT_TENANT
from deployments.ingestion.readers import Readers, Subject
from events.ids import is_id
from pipelines.commands import INLINE_BYTES, Answer, Cancel, Key, Payload, Redrive, Submit, Verdict
from pipelines.errors import RejectError
from pipelines.generate import PROMPTING_TOPIC, inference_topic
from pipelines.jobs import Job, Status
from pipelines.payloads import Message, Request
from pipelines.ports import Ports

GENERATE_PATH = "/async-generate"
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Renderer(Protocol):
    """What prompting can tell about a request before it is accepted. Both raise RejectError."""

    def messages(self, request: Request) -> list[Message]:
        """The messages, rendered."""

    def check_length(self, request: Request) -> None:
        """Whether the prompt fits into the model's context. Slow: it counts tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A model that can be asked for. `context` is in tokens, `created` in Unix seconds."""

    name: str
    context: int
    default_max_output_tokens: int
    created: int = 0
    scales_to_zero: bool = False


class Accepted(NamedTuple):
    """A job that is on disk; `replayed` where an earlier request with the same idempotency key had made it."""

    job_id: str
    status: Status
    replayed: bool = False


class IngestionService:
    """Accepts jobs and shows what becomes of them. Raises ApiError, RejectError, UnknownJobError, TransientError."""

    def __init__(
        self,
        *,
        journal: JournalApi,
        token_log: TokenLogApi,
        blobs: Blobs,
        history: HistoryApi,
        renderer: Renderer,
        models: Mapping[str, ModelCard],
        ports: Ports,
        shard: int = 0,
    ) -> None:
        self.models = models
        self.history = history
        self._journal = journal
        self._blobs = blobs
        self._renderer = renderer
        self._ports = ports
        self._shard = shard
        self._readers = Readers(journal=journal, token_log=token_log, history=history, blobs=blobs, ports=ports)
        self._files: Coalescer[tuple[str, bytes], Payload] = Coalescer(blobs.pack_many, name="blobs", ports=ports)
        self._submits: Coalescer[Submit, Answer] = Coalescer(journal.submit, name="submit", ports=ports)

    async def submit(self, body: Mapping[str, Any], tenant: str = DEFAULT_TENANT, key: str = "") -> str:
        """Accept a body as `POST /async-generate` takes it, with its idempotency key if it has one.

        Returns the job's id. Refusals are ApiErrors.
        """
        raw = to_json(body)
        try:
            parsed = GenerateBody.model_validate_json(raw)
            accepted = await self.accept(
                parsed.request(),
                tenant,
                size=len(raw),
                deadline_s=parsed.deadline_s,
                key=idempotency_key(GENERATE_PATH, key, raw),
            )
        except (RejectError, ValidationError) as error:
            raise api_error(error) from None  # the one of them that survives the way between processes
        return accepted.job_id

    async def accept(
        self,
        request: Request,
        tenant: str,
        *,
        size: int,
        traceparent: str = "",
        deadline_s: float = DEFAULT_DEADLINE_S,
        key: Key | None = None,
    ) -> Accepted:
        """Check a request whose body had `size` bytes, then submit it. Returns once the job is on disk."""
        started = self._ports.clock.now()
        await self._check(request, size)
        job_id = self._ports.ids.new("resp", self._shard)
        trace = self._trace(traceparent)
        command = Submit(
            job_id=job_id,
            tenant=tenant,
            pipeline="generate",
            model=request.model,
            request=await self._pack(tenant, request.encode()),
            deadline_s=deadline_s,
            priority=request.priority,
            traceparent=trace,
            key=key,
            max_output_tokens=self._reservation(request),
        )
        crash_point("ingestion.submit.before")
        (answer,) = await self._submits.do([command])
        crash_point("ingestion.submit.after")
        if answer.verdict is Verdict.FULL:
            raise ApiError(429, "Too many jobs are waiting. Please try again later.", "rate_limit_exceeded")
        if answer.verdict is Verdict.OVER_BUDGET:
            raise over_budget()
        if answer.verdict is Verdict.CONFLICT:
            raise ApiError(409, "This Idempotency-Key was used for another request.", "idempotency_conflict")
        if answer.verdict is not Verdict.DONE or answer.status is None:
            raise RuntimeError(f"the journal refused {job_id}: {answer.verdict} {answer.detail}")
        if self._ports.tracer.enabled:
            now = self._ports.clock.now()
            self._ports.tracer.span("submit", trace, started, now, {"job": job_id}, root=trace != traceparent)
        return Accepted(answer.job_id or job_id, answer.status, replayed=bool(answer.job_id))

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
        ApiError where the tenant's budget does not allow all of them; the others are redriven.
        """
        batch = [
            Redrive(job_id=job_id, tenant=tenant, delay_s=number / per_second if per_second else 0.0)
            for number, job_id in enumerate(job_ids)
        ]
        answers = await self._journal.redrive(batch)
        for job_id, answer in zip(job_ids, answers, strict=True):
            if answer.verdict is Verdict.OVER_BUDGET:
                raise over_budget()
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

    async def events(self, subject: Subject, starting_after: int = -1) -> AsyncGenerator[StreamFrame]:
        """OpenAI's events of a job above a number that was shown, up to and with the terminal one.

        Raises UnknownJobError where the job is removed meanwhile, DrainError where this process ends.
        """
        async with aclosing(self._readers.events(subject, starting_after)) as batches:
            async for batch in batches:
                for frame in batch:
                    yield frame

    def event_batches(self, subject: Subject, starting_after: int = -1) -> AsyncGenerator[list[StreamFrame]]:
        """The same, as many at once as there are, and [] after each silence: what `EventStream` sends."""
        return self._readers.events(subject, starting_after)

    def drain(self) -> None:
        """Cut all streams: their readers resume elsewhere."""
        self._readers.drain()

    async def unready(self) -> str | None:
        """Why jobs would not be worked on now; None where they would."""
        await self._journal.info()
        depth = await self._journal.depth()
        topics = {inference_topic(card.name) for card in self.models.values() if not card.scales_to_zero}
        idle = sorted(t for t in {PROMPTING_TOPIC, *topics} if t not in depth or not depth[t].workers)
        return f"no workers on {', '.join(idle)}" if idle else None

    async def close(self) -> None:
        """End the background loops."""
        await self._readers.close()

    async def _row(self, tenant: str, job_id: str) -> Job:
        (job,) = await self._journal.jobs(tenant, [job_id]) if is_id(job_id) else [None]
        if job is None:
            raise UnknownJobError(job_id)
        return job

    async def _check(self, request: Request, size: int) -> None:
        card = self.models.get(request.model)
        if card is None:
            raise ApiError(404, f"The model '{request.model}' does not exist.", "model_not_found", "model")
        if request.template is not None:
            size = sum(len(message.content.encode()) for message in self._renderer.messages(request))
        if size + (request.max_output_tokens or 1) > card.context:  # a token has at least one byte
            await self._ports.run_blocking(lambda: self._renderer.check_length(request))

    def _reservation(self, request: Request) -> int:
        """What a budget must have left for it: the most that it may generate."""
        return request.max_output_tokens or self.models[request.model].default_max_output_tokens

    async def _pack(self, tenant: str, data: bytes) -> Payload:
        if len(data) > INLINE_BYTES:
            return (await self._files.do([(tenant, data)]))[0]
        return (await self._blobs.pack_many([(tenant, data)]))[0]

    def _trace(self, traceparent: str) -> str:
        valid = _TRACEPARENT.fullmatch(traceparent) is not None
        return traceparent if valid else new_traceparent(self._ports.random)
