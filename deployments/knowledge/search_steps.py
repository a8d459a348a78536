"""The two steps of a job that searches: passages are found, and put in their final order.

Invariant: one bad request of a batch fails alone; what the others found is reported.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.blobs import Blobs
from actors.crash_points import crash_point
from actors.journal.protocol import JournalApi
from actors.stores import StoreUnavailableError
from deployments.file_search import FileSearch, file_search
from deployments.knowledge.encoding import RerankerApi
from deployments.reporting import report
from pipelines.commands import Finish, Outcome, Payload, Reranked, Retrieved
from pipelines.errors import HeliographError, RejectError, outcome_of
from pipelines.jobs import ClaimedJob, Reference
from pipelines.payloads import Context, Passage, Request
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
SLOTS = 64  # searches, or rerankings, at once


class FinderApi(Protocol):
    """What finds passages."""

    async def find(self, tenant: str, search: FileSearch) -> list[Passage]:
        """The passages that fit best by meaning and by words, best first, more than are wanted in the end.

        Raises RejectError where there is no such store.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a step has made of a claim: the passages, and whether they are still to be reranked."""

    context: Context
    open: bool = False


Work = Callable[[ClaimedJob, Request, Context | None], Awaitable[Found]]


class SearchWorker:
    """Handles the claims of one of the two steps; the puller feeds it one batch at a time."""

    def __init__(self, work: Work, *, journal: JournalApi, blobs: Blobs, ports: Ports) -> None:
        self._work = work
        self._journal = journal
        self._blobs = blobs
        self._ports = ports

    def free_slots(self) -> int:
        """All of them: a batch is over when `handle` returns."""
        return SLOTS

    async def wait_for_slot(self) -> None:
        """Returns at once."""

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Do and report the batch."""
        found = await asyncio.gather(*(self._try(claim) for claim in claims))
        outcomes = await self._outcomes(claims, found)
        finishes = [
            Finish(job_id=claim.job_id, fence=claim.fence, outcome=outcome)
            for claim, outcome in zip(claims, outcomes, strict=True)
        ]
        crash_point("search.finish.before")
        await report(self._journal.finish, finishes, ports=self._ports)
        crash_point("search.finish.after")

    def held(self) -> list[ClaimedJob]:
        """None: nothing goes on behind `handle`."""
        return []

    def revoke(self, job_id: str, fence: int) -> None:
        """Nothing: a search is short, and the journal refuses an old fence."""

    async def drain(self) -> None:
        """Nothing goes on behind `handle`."""

    async def _try(self, claim: ClaimedJob) -> Found | Exception:
        started = self._ports.clock.now()
        try:
            return await self._work(claim, *await self._inputs(claim))
        except Exception as error:
            expected = isinstance(error, HeliographError)
            about = {"job": claim.job_id, "attempt": claim.attempt, "error": str(error)}
            log.warning("%s failed", claim.step, exc_info=None if expected else error, extra=about)
            return error
        finally:
            if self._ports.tracer.enabled:
                attributes: dict[str, str | int] = {"job": claim.job_id, "attempt": claim.attempt}
                self._ports.tracer.span(claim.step, claim.traceparent, started, self._ports.clock.now(), attributes)

    async def _inputs(self, claim: ClaimedJob) -> tuple[Request, Context | None]:
        wanted: list[Reference] = [claim.request, *([claim.context] if claim.context else [])]
        data = await self._blobs.get_many([(claim.tenant, each, claim.payloads.get(each)) for each in wanted])
        request = Request.model_validate_json(data[0])
        return request, Context.model_validate_json(data[1]) if claim.context else None

    async def _outcomes(self, claims: Sequence[ClaimedJob], found: Sequence[Found | Exception]) -> list[Outcome]:
        pairs = list(zip(claims, found, strict=True))
        good = [(claim.tenant, each.context.encode()) for claim, each in pairs if isinstance(each, Found)]
        try:
            payloads = iter(await self._blobs.pack_many(good))
        except StoreUnavailableError as error:  # the disk, so all of them
            return [outcome_of(each if isinstance(each, Exception) else error) for each in found]
        return [
            outcome_of(each) if isinstance(each, Exception) else _outcome(claim, each, next(payloads))
            for claim, each in pairs
        ]


def retrieving(finder: FinderApi, *, reranked: bool = True) -> Work:
    """The work of the step `retrieve`. Where nobody reranks, only who requires it is refused."""

    async def retrieve(claim: ClaimedJob, request: Request, _: Context | None) -> Found:
        search = file_search(request)
        if search is None or not any(query.strip() for query in search.queries):
            raise RejectError("There is nothing to search for.", code="invalid_prompt", param="input")
        if search.rerank == "required" and not reranked:
            raise RejectError("There is no reranker here.", code="invalid_value", param="tools")
        passages = await finder.find(claim.tenant, search)
        context = Context(queries=list(search.queries), passages=passages)
        return Found(context=context, open=reranked and search.rerank != "none" and len(passages) > 1)

    return retrieve


def reranking(reranker: RerankerApi) -> Work:
    """The work of the step `rerank`."""

    async def rerank(_: ClaimedJob, __: Request, context: Context | None) -> Found:
        if context is None:
            raise RuntimeError("nothing was retrieved")
        texts = [passage.text for passage in context.passages]
        scores = await reranker.scores("\n".join(context.queries), texts)
        scored = [
            passage.model_copy(update={"score": score}) for passage, score in zip(context.passages, scores, strict=True)
        ]
        return Found(context=Context(queries=context.queries, passages=sorted(scored, key=lambda each: -each.score)))

    return rerank


def _outcome(claim: ClaimedJob, found: Found, payload: Payload) -> Outcome:
    waited_s = max(0.0, claim.claimed_at - claim.ready_at)
    number = len(found.context.passages)
    if claim.context is None:
        return Retrieved(context=payload, passages=number, reranked=found.open, waited_s=waited_s)
    return Reranked(context=payload, passages=number, waited_s=waited_s)
