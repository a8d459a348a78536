"""The prompt worker: renders a claimed batch in one go and reports all of it in one call.

Invariant: one bad request fails alone; the others of its batch are rendered.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from actors.blobs import Blobs
from actors.crash_points import crash_point
from actors.journal.protocol import JournalApi
from actors.stores import StoreUnavailableError
from deployments.prompting.past import Asked, Past, fetch_pasts
from deployments.prompting.renderer import PromptRenderer
from deployments.reporting import report
from pipelines.commands import Finish, Outcome, Rendered
from pipelines.errors import HeliographError, outcome_of
from pipelines.jobs import ClaimedJob
from pipelines.payloads import Request
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
_QUICK_BYTES = 64 * 1024  # a batch with longer requests is rendered beside the event loop


class _Order(NamedTuple):
    """What is to be rendered."""

    request: Request
    past: Past


class _Page(NamedTuple):
    """A rendered prompt, encoded."""

    data: bytes
    input_tokens: int


class PromptWorker:
    """Handles the claims of the prompting topic; the puller feeds it one batch at a time."""

    def __init__(
        self, *, renderer: PromptRenderer, slots: int, journal: JournalApi, blobs: Blobs, ports: Ports
    ) -> None:
        self._renderer = renderer
        self._slots = slots
        self._journal = journal
        self._blobs = blobs
        self._ports = ports

    def free_slots(self) -> int:
        """All of them: a batch is over when `handle` returns."""
        return self._slots

    async def wait_for_slot(self) -> None:
        """Returns at once."""

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Render and report the batch."""
        started = self._ports.clock.now()
        requests = await self._fetch(claims)
        pages = await self._render_all(claims, await self._with_pasts(claims, requests))
        outcomes = await self._outcomes(claims, pages)
        finishes = [
            Finish(job_id=claim.job_id, fence=claim.fence, outcome=outcome)
            for claim, outcome in zip(claims, outcomes, strict=True)
        ]
        if self._ports.tracer.enabled:
            self._trace(claims, started)
        crash_point("prompting.finish.before")
        await report(self._journal.finish, finishes, ports=self._ports)
        crash_point("prompting.finish.after")

    def held(self) -> list[ClaimedJob]:
        """None: nothing goes on behind `handle`."""
        return []

    def revoke(self, job_id: str, fence: int) -> None:
        """Nothing: rendering is short, and the journal refuses an old fence."""

    async def drain(self) -> None:
        """Nothing goes on behind `handle`; what that held is offered again when the worker leaves."""

    async def _fetch(self, claims: Sequence[ClaimedJob]) -> list[bytes | Exception]:
        wanted = [(claim.tenant, claim.request, claim.payloads.get(claim.request)) for claim in claims]
        try:
            return list(await self._blobs.get_many(wanted))
        except Exception as error:  # noqa: BLE001 - it becomes the outcome
            if len(claims) == 1:
                return [error]
            return [found for claim in claims for found in await self._fetch([claim])]

    async def _with_pasts(
        self, claims: Sequence[ClaimedJob], requests: Sequence[bytes | Exception]
    ) -> list[_Order | Exception]:
        """The requests with what came before them."""
        parsed = [_parsed(request) for request in requests]
        good = [
            _asked(claim, request)
            for claim, request in zip(claims, parsed, strict=True)
            if isinstance(request, Request)
        ]
        try:
            pasts = iter(await fetch_pasts(self._blobs, good))
        except Exception as error:  # noqa: BLE001 - it becomes the outcome
            if len(claims) == 1:
                return [error]
            both = zip(claims, requests, strict=True)
            return [order for claim, request in both for order in await self._with_pasts([claim], [request])]
        return [_Order(request, next(pasts)) if isinstance(request, Request) else request for request in parsed]

    async def _render_all(
        self, claims: Sequence[ClaimedJob], orders: Sequence[_Order | Exception]
    ) -> list[_Page | Exception]:
        size = sum(claim.request.size for claim in claims)
        size += sum(order.past.size for order in orders if isinstance(order, _Order))
        if size <= _QUICK_BYTES:
            return [self._render(order) for order in orders]
        pages: list[_Page | Exception] = await self._ports.run_blocking(
            lambda: [self._render(order) for order in orders]
        )
        return pages

    def _render(self, order: _Order | Exception) -> _Page | Exception:
        if isinstance(order, Exception):
            return order
        try:
            prompt = self._renderer.prompt(order.request, order.past)
            return _Page(prompt.encode(), prompt.input_tokens)
        except Exception as error:  # noqa: BLE001 - it becomes the outcome
            return error

    async def _outcomes(self, claims: Sequence[ClaimedJob], pages: Sequence[_Page | Exception]) -> list[Outcome]:
        pairs = list(zip(claims, pages, strict=True))
        good = [(claim.tenant, page.data) for claim, page in pairs if isinstance(page, _Page)]
        try:
            payloads = iter(await self._blobs.pack_many(good))
        except StoreUnavailableError as error:  # the disk, so all of them
            return [_failed(claim, page if isinstance(page, Exception) else error) for claim, page in pairs]
        return [
            _failed(claim, page)
            if isinstance(page, Exception)
            else Rendered(
                prompt=next(payloads),
                input_tokens=page.input_tokens,
                waited_s=max(0.0, claim.claimed_at - claim.ready_at),
            )
            for claim, page in pairs
        ]

    def _trace(self, claims: Sequence[ClaimedJob], started: float) -> None:
        now = self._ports.clock.now()
        for claim in claims:
            attributes: dict[str, str | int] = {"job": claim.job_id, "attempt": claim.attempt, "batch": len(claims)}
            self._ports.tracer.span("render", claim.traceparent, started, now, attributes)


def _asked(claim: ClaimedJob, request: Request) -> Asked:
    found = claim.context
    return Asked(claim.tenant, request, found, claim.payloads.get(found) if found else None)


def _parsed(request: bytes | Exception) -> Request | Exception:
    if isinstance(request, Exception):
        return request
    try:
        return Request.model_validate_json(request)
    except ValueError as error:
        return error


def _failed(claim: ClaimedJob, error: Exception) -> Outcome:
    expected = isinstance(error, HeliographError)
    about = {"job": claim.job_id, "attempt": claim.attempt, "error": str(error)}
    log.warning("rendering failed", exc_info=None if expected else error, extra=about)
    return outcome_of(error)
