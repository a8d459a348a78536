"""The batch worker: does the jobs of batches themselves, some side by side, and lines that want vectors.

Invariants: an outcome is reported once; a job that another has decided is dropped without a word.
"""

import asyncio
import logging
from collections.abc import Sequence

from actors.journal.protocol import JournalApi
from deployments.batching.embedding import EmbeddingLines
from deployments.batching.finalization import Finalizer
from deployments.batching.validation import Validator
from deployments.reporting import report
from pipelines.commands import Finish, Outcome, Released
from pipelines.errors import HeliographError, outcome_of
from pipelines.jobs import ClaimedJob
from pipelines.ports import Ports, Task
from pipelines.steps import EMBED, VALIDATE

log = logging.getLogger("heliograph")


class BatchWorker:
    """Handles the claims of the batching topic, and of that of embedding; the puller feeds it."""

    def __init__(
        self,
        validator: Validator,
        finalizer: Finalizer,
        lines: EmbeddingLines,
        *,
        slots: int,
        journal: JournalApi,
        ports: Ports,
    ) -> None:
        self.lines = lines
        self._validator = validator
        self._finalizer = finalizer
        self._slots = slots
        self._journal = journal
        self._ports = ports
        self._running: dict[str, tuple[ClaimedJob, Task]] = {}
        self._freed = asyncio.Event()

    def free_slots(self) -> int:
        """How many more it can take now."""
        return self._slots - len(self._running)

    async def wait_for_slot(self) -> None:
        """Returns when one has ended after this call."""
        self._freed.clear()
        await self._freed.wait()

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Begin with them; they go on in the background. Lines are done when this returns."""
        if claims[0].step == EMBED:
            await self.lines.handle(claims)
            return
        for claim in claims:
            self._stop(claim.job_id)  # an older claim of ours, lost and come back
            self._running[claim.job_id] = (claim, self._ports.spawn(self._run(claim), claim.step))

    def held(self) -> list[ClaimedJob]:
        """Those that go on."""
        return [claim for claim, _ in self._running.values()]

    def revoke(self, job_id: str, fence: int) -> None:
        """Abort silently."""
        running = self._running.get(job_id)
        if running is not None and running[0].fence <= fence:
            self._stop(job_id)

    async def drain(self) -> None:
        """Stop everything and hand it back."""
        claims = self.held()
        for claim in claims:
            self._stop(claim.job_id)
        if claims:
            released = [Finish(job_id=claim.job_id, fence=claim.fence, outcome=Released()) for claim in claims]
            await self._journal.finish(released)

    async def _run(self, claim: ClaimedJob) -> None:
        try:
            finish = Finish(job_id=claim.job_id, fence=claim.fence, outcome=await self._outcome(claim))
            await report(self._journal.finish, [finish], ports=self._ports)
        finally:
            running = self._running.get(claim.job_id)
            if running is not None and running[0] is claim:
                self._forget(claim.job_id)

    async def _outcome(self, claim: ClaimedJob) -> Outcome:
        work = self._validator if claim.step == VALIDATE else self._finalizer
        try:
            return await work.run(claim)
        except Exception as error:
            expected = isinstance(error, HeliographError)
            about = {"job": claim.job_id, "step": claim.step, "attempt": claim.attempt, "error": str(error)}
            log.warning("the work of a batch failed", exc_info=None if expected else error, extra=about)
            return outcome_of(error)

    def _stop(self, job_id: str) -> None:
        if job_id in self._running:
            self._running[job_id][1].cancel()
            self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        del self._running[job_id]
        self._freed.set()
