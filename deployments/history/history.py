"""Answers what has become of a job. Reads the journal, the blobs and the token log; what it changes, it asks for.

Invariants: another tenant's job looks like one that does not exist (UnknownJobError); what is shown of a terminal job
never changes, because its output comes from the result blob or from the sealed log.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from actors.blobs import Blobs
from actors.coalescer import Coalescer
from actors.journal.envelopes import open_envelope
from actors.journal.protocol import DeadLetterQuery, JobQuery, JournalApi
from actors.token_log.protocol import TokenLogApi
from deployments.history.conversations import Conversations, ConversationsApi
from deployments.history.dead_letters import attempt_view, dead_letter_view, inspection
from deployments.history.prompts import Prompts, PromptsApi
from deployments.history.responses import response_object
from deployments.history.sealed_log import sealed_output
from deployments.history.turns import EarlierTurn, Item, earlier_turn, input_of
from deployments.history.views import event_view, job_view, page
from deployments.prompting.templates import NO_TEMPLATES, Templates
from events.ids import is_id
from events.v1.events_pb2 import Error, JobDeadLettered, JobRetried
from pipelines.commands import Delete, Verdict
from pipelines.jobs import Job, Reference, Status
from pipelines.payloads import Request, Result
from pipelines.ports import Ports
from pipelines.steps import RESPONDING

MOST_ATTEMPTS = 100  # the last ones, that a dead letter shows
_ALL = 1 << 31  # events: a job that was tried for days has thousands
_BY_RESULT = (Status.COMPLETED, Status.INCOMPLETE)


class UnknownJobError(LookupError):
    """There is no such job, or it is another tenant's."""


class HistoryApi(ConversationsApi, PromptsApi, Protocol):
    """What ingestion asks: the plain `History`, or the handle to its service. See there for the errors."""

    async def job(self, tenant: str, job_id: str) -> dict[str, Any]:
        """The native view of a job."""

    async def response(self, tenant: str, job_id: str) -> dict[str, Any]:
        """The job as OpenAI's Response object."""

    async def turn(self, tenant: str, response_id: str) -> EarlierTurn:
        """A stored job as a parent."""

    async def input_items(self, tenant: str, response_id: str) -> list[Item]:
        """The items that a stored job was given, oldest first."""

    async def delete(self, tenant: str, response_id: str) -> None:
        """Forget a stored job; one that is open is cancelled."""

    async def jobs(self, query: JobQuery) -> dict[str, Any]:
        """A page of a tenant's jobs."""

    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> dict[str, Any]:
        """A page of a job's events."""

    async def dead_letters(self, query: DeadLetterQuery) -> dict[str, Any]:
        """A page of a tenant's dead letters."""

    async def dead_letter(self, tenant: str, job_id: str) -> dict[str, Any]:
        """A dead letter with all that is known of it."""


class History(Conversations, Prompts):
    """All views, for one process. Raises UnknownJobError, and LookupError for an unknown cursor of a list."""

    def __init__(
        self,
        *,
        journal: JournalApi,
        token_log: TokenLogApi,
        blobs: Blobs,
        ports: Ports,
        templates: Templates = NO_TEMPLATES,
    ) -> None:
        Conversations.__init__(self, journal=journal, blobs=blobs, ports=ports)
        Prompts.__init__(self, templates, journal=journal, ports=ports)
        self._token_log = token_log
        self._rows: Coalescer[tuple[str, str], Job | None] = Coalescer(self._read_rows, name="history", ports=ports)

    async def row(self, tenant: str, job_id: str) -> Job:
        """The job's row."""
        job = (await self._rows.do([(tenant, job_id)]))[0] if is_id(job_id) else None
        if job is None:
            raise UnknownJobError(job_id)
        return job

    async def job(self, tenant: str, job_id: str) -> dict[str, Any]:
        """The native view of a job."""
        return job_view(await self.row(tenant, job_id))

    async def response(self, tenant: str, job_id: str) -> dict[str, Any]:
        """The job as OpenAI's Response object."""
        (found,) = await self.responses([(tenant, job_id)])
        if found is None:
            raise UnknownJobError(job_id)
        return found

    async def responses(self, wanted: Sequence[tuple[str, str]]) -> list[dict[str, Any] | None]:
        """The same for many (tenant, job), in one reading of each store; None for a job that is unknown."""
        jobs = await self._response_jobs(wanted)
        needed = [(job.tenant, reference, None) for job in jobs if job for reference in _payloads_of(job)]
        payloads = iter(await self._blobs.get_many(needed))
        return [await self._response(job, payloads) if job else None for job in jobs]

    async def _response(self, job: Job, payloads: Iterator[bytes]) -> dict[str, Any]:
        request = Request.model_validate_json(next(payloads))
        if _has_result(job):
            result = Result.model_validate_json(next(payloads))
            return response_object(job, request, result.output, result.reasoning_tokens)
        if job.status.terminal:
            return response_object(job, request, await sealed_output(self._token_log, job))
        return response_object(job, request)

    async def turn(self, tenant: str, response_id: str) -> EarlierTurn:
        """A stored job as a parent."""
        (found,) = await self.turns([(tenant, response_id)])
        if found is None:
            raise UnknownJobError(response_id)
        return found

    async def turns(self, wanted: Sequence[tuple[str, str]]) -> list[EarlierTurn | None]:
        """The same for many (tenant, job), in one reading of each store; None for a job that is unknown."""
        jobs = [job if job is not None and job.stored else None for job in await self._response_jobs(wanted)]
        payloads = iter(await self._blobs.get_many([(job.tenant, job.request, None) for job in jobs if job]))
        return [earlier_turn(job, Request.model_validate_json(next(payloads))) if job else None for job in jobs]

    async def input_items(self, tenant: str, response_id: str) -> list[Item]:
        """The items that a stored job was given."""
        _, request = await self._stored(tenant, response_id)
        return input_of(response_id, request)

    async def delete(self, tenant: str, response_id: str) -> None:
        """Forget a stored job."""
        await self._stored_row(tenant, response_id)
        (answer,) = await self._journal.delete([Delete(job_id=response_id, tenant=tenant)])
        if answer.verdict is not Verdict.DONE:
            raise UnknownJobError(response_id)

    async def jobs(self, query: JobQuery) -> dict[str, Any]:
        """A page of a tenant's jobs."""
        rows = await self._journal.list_jobs(query._replace(limit=query.limit + 1))
        return page([job_view(job) for job in rows], query.limit)

    async def events(self, tenant: str, job_id: str, after: str | None, limit: int) -> dict[str, Any]:
        """A page of a job's events, ascending."""
        await self.row(tenant, job_id)
        events = await self._journal.events(tenant, job_id, after, limit + 1)
        return page([event_view(event) for event in events], limit)

    async def dead_letters(self, query: DeadLetterQuery) -> dict[str, Any]:
        """A page of a tenant's dead letters, newest first."""
        letters = await self._journal.dead_letters(query._replace(limit=query.limit + 1))
        return page([dead_letter_view(letter) for letter in letters], query.limit)

    async def dead_letter(self, tenant: str, job_id: str) -> dict[str, Any]:
        """A dead letter with its references and its last attempts. Raises UnknownJobError where it is none."""
        job = await self.row(tenant, job_id)
        events = map(open_envelope, await self._journal.events(tenant, job_id, None, _ALL))
        failed = [item for item in events if isinstance(item[1], (JobRetried, JobDeadLettered))]
        if not failed or not isinstance(failed[-1][1], JobDeadLettered):
            raise UnknownJobError(job_id)
        shown = failed[-MOST_ATTEMPTS:]
        texts = await self._tracebacks(tenant, [fact.error for _, fact in shown])
        return inspection(job, [attempt_view(*item, text) for item, text in zip(shown, texts, strict=True)])

    async def _response_jobs(self, wanted: Sequence[tuple[str, str]]) -> list[Job | None]:
        """The rows of these (tenant, job); None where there is no such Response."""
        rows = map(_response_job, await self._rows.do([key for key in wanted if is_id(key[1])]))
        return [next(rows) if is_id(job_id) else None for _, job_id in wanted]

    async def _stored_row(self, tenant: str, job_id: str) -> Job:
        job = _response_job(await self.row(tenant, job_id))
        if job is None or not job.stored:
            raise UnknownJobError(job_id)
        return job

    async def _stored(self, tenant: str, job_id: str) -> tuple[Job, Request]:
        job = await self._stored_row(tenant, job_id)
        (data,) = await self._blobs.get_many([(tenant, job.request, None)])
        return job, Request.model_validate_json(data)

    async def _tracebacks(self, tenant: str, errors: Sequence[Error]) -> list[str | None]:
        """The text of each error, None where there was no exception."""
        references = [
            Reference(error.traceback.hash, error.traceback.size) if error.HasField("traceback") else None
            for error in errors
        ]
        wanted = list(dict.fromkeys(reference for reference in references if reference is not None))
        data = await self._blobs.get_many([(tenant, reference, None) for reference in wanted])
        texts = {reference: text.decode(errors="replace") for reference, text in zip(wanted, data, strict=True)}
        return [texts[reference] if reference is not None else None for reference in references]

    async def _read_rows(self, wanted: Sequence[tuple[str, str]]) -> list[Job | None]:
        by_tenant: dict[str, list[str]] = defaultdict(list)
        for tenant, job_id in wanted:
            by_tenant[tenant].append(job_id)
        found: dict[tuple[str, str], Job | None] = {}
        for tenant, ids in by_tenant.items():
            found |= zip(((tenant, i) for i in ids), await self._journal.jobs(tenant, ids), strict=True)
        return [found[key] for key in wanted]


def _response_job(job: Job | None) -> Job | None:
    """A job where it is a Response; others are seen under `/jobs` alone."""
    return job if job is not None and job.pipeline in RESPONDING else None


def _has_result(job: Job) -> bool:
    return job.status in _BY_RESULT and job.result is not None


def _payloads_of(job: Job) -> list[Reference]:
    """What its Response is made of."""
    return [job.request, job.result] if _has_result(job) and job.result else [job.request]
