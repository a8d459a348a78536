"""The indexing worker: has files put into the indexes of their vector stores, many at once, and reports each.

Invariants:
- An outcome is reported only when the index has all chunks of the file.
- A file that another has decided is dropped without a word, and what is left of its batch goes on.
- Claims are taken in batches: there are new ones when half of the slots are free, not one by one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from actors.blobs import Blobs
from actors.coalescer import Coalescer
from actors.crash_points import crash_point
from actors.journal.protocol import JournalApi
from deployments.reporting import report
from pipelines.commands import Answer, Finish, Indexed, Outcome, Released
from pipelines.errors import HeliographError, outcome_of
from pipelines.jobs import ClaimedJob
from pipelines.payloads import IndexRequest
from pipelines.ports import Ports, Task

log = logging.getLogger("heliograph")


class IndexSource(NamedTuple):
    """A file that is to be put into a store's index. Its content is the object (`tenant`, `request.file`)."""

    tenant: str
    request: IndexRequest


class Told(NamedTuple):
    """How it went with an attachment."""

    attachment: str
    result: Indexed | Exception


Tell = Callable[[Sequence[Told]], Awaitable[None]]


class Indexer(Protocol):
    """What puts files into the index."""

    async def index(self, sources: Sequence[IndexSource], tell: Tell) -> None:
        """Tells of each file when it is done, in any order, several at once where they come together.

        A file that is itself at fault is told as a RejectError `unsupported_file` or `invalid_file`. A passing fault is
        a TransientError, told or raised. An attachment that is in the index already is replaced.
        """


@dataclass(slots=True, eq=False)
class _Batch:
    """Files that go through the indexer together: those of which it has told nothing yet."""

    left: dict[str, ClaimedJob]  # by attachment; by job until that is known
    task: Task | None = None


class IndexingWorker:
    """Handles the claims of the indexing topic; the puller feeds it."""

    def __init__(self, indexer: Indexer, *, slots: int, journal: JournalApi, blobs: Blobs, ports: Ports) -> None:
        self._indexer = indexer
        self._slots = slots
        self._journal = journal
        self._blobs = blobs
        self._ports = ports
        self._finishes: Coalescer[Finish, Answer] = Coalescer(journal.finish, name="finish", ports=ports)
        self._held: dict[str, ClaimedJob] = {}  # by job, until its outcome is answered
        self._batches: list[_Batch] = []
        self._freed = asyncio.Event()

    def free_slots(self) -> int:
        """How many more files it takes now; none before half of the slots are free."""
        free = self._slots - len(self._held)
        return free if free * 2 >= self._slots else 0

    async def wait_for_slot(self) -> None:
        """Returns when a slot is freed."""
        self._freed.clear()
        await self._freed.wait()

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Begin with a batch; it goes on in the background."""
        for claim in claims:
            self.revoke(claim.job_id, claim.fence)  # an older claim of ours, lost and come back
            self._held[claim.job_id] = claim
        batch = _Batch({claim.job_id: claim for claim in claims})
        self._batches.append(batch)
        batch.task = self._ports.spawn(self._run(batch), "indexing")

    def held(self) -> list[ClaimedJob]:
        """The claims of which the outcome is not answered yet."""
        return list(self._held.values())

    def revoke(self, job_id: str, fence: int) -> None:
        """Drop it silently: another has decided this job."""
        claim = self._held.get(job_id)
        if claim is None or claim.fence > fence:
            return
        self._forget(claim)
        for batch in [batch for batch in self._batches if claim in batch.left.values()]:
            batch.left = {name: other for name, other in batch.left.items() if other is not claim}
            if not batch.left and batch.task is not None:
                batch.task.cancel()

    async def drain(self) -> None:
        """Stop everything and hand it back."""
        claims = [claim for batch in self._batches for claim in batch.left.values()]
        for batch in self._batches:
            if batch.task is not None:
                batch.task.cancel()
        for claim in claims:
            self._forget(claim)
        if claims:
            await self._journal.finish([_finish(claim, Released()) for claim in claims])

    async def _run(self, batch: _Batch) -> None:
        try:
            await self._indexer.index(await self._sources(batch), partial(self._take_in, batch))
            fault: Exception = RuntimeError("the indexer has told nothing of this file")
        except Exception as error:  # noqa: BLE001 - it is the outcome
            fault = error
        finally:
            self._batches.remove(batch)
        self._settle([(claim, fault) for claim in batch.left.values()])

    async def _take_in(self, batch: _Batch, results: Sequence[Told]) -> None:
        """What the indexer tells; it need not wait until that is reported."""
        told = [(batch.left.pop(each.attachment, None), each.result) for each in results]
        self._settle([(claim, result) for claim, result in told if claim is not None])

    async def _sources(self, batch: _Batch) -> list[IndexSource]:
        claims = list(batch.left.values())
        wanted = [(claim.tenant, claim.request, claim.payloads.get(claim.request)) for claim in claims]
        requests = [IndexRequest.model_validate_json(data) for data in await self._blobs.get_many(wanted)]
        pairs = [(claim, request) for claim, request in zip(claims, requests, strict=True) if self._holds(claim)]
        batch.left = {request.attachment: claim for claim, request in pairs}
        return [IndexSource(claim.tenant, request) for claim, request in pairs]

    def _settle(self, results: Sequence[tuple[ClaimedJob, Indexed | Exception]]) -> None:
        """Report in the background."""
        claims = [claim for claim, _ in results if self._holds(claim)]
        finishes = [_finish(claim, self._outcome(claim, result)) for claim, result in results if self._holds(claim)]
        if claims:
            self._ports.spawn(self._report(claims, finishes), "report")

    async def _report(self, claims: Sequence[ClaimedJob], finishes: list[Finish]) -> None:
        if self._ports.tracer.enabled:
            self._trace(claims)
        crash_point("indexing.finish.before")
        await report(self._finishes.do, finishes, ports=self._ports)
        crash_point("indexing.finish.after")
        for claim in filter(self._holds, claims):
            self._forget(claim)

    def _trace(self, claims: Sequence[ClaimedJob]) -> None:
        now = self._ports.clock.now()
        for claim in claims:
            about: dict[str, str | int] = {"job": claim.job_id, "attempt": claim.attempt}
            self._ports.tracer.span("index", claim.traceparent, claim.claimed_at, now, about)

    def _outcome(self, claim: ClaimedJob, result: Indexed | Exception) -> Outcome:
        if isinstance(result, Indexed):
            return result
        expected = isinstance(result, HeliographError)
        about = {"job": claim.job_id, "attempt": claim.attempt, "error": str(result)}
        log.warning("indexing failed", exc_info=None if expected else result, extra=about)
        return outcome_of(result)

    def _holds(self, claim: ClaimedJob) -> bool:
        return self._held.get(claim.job_id) is claim

    def _forget(self, claim: ClaimedJob) -> None:
        del self._held[claim.job_id]
        self._freed.set()


def _finish(claim: ClaimedJob, outcome: Outcome) -> Finish:
    return Finish(job_id=claim.job_id, fence=claim.fence, outcome=outcome)
