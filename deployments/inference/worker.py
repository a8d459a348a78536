"""The inference worker: takes claims, runs them side by side on its engine, reports each outcome once.

Invariants:
- An outcome is reported only when the log that it speaks of is on disk.
- A job that another has decided is aborted without a word. A dead engine ends the process, which releases nothing,
  so that the death counts.
- A claim takes a slot from the moment it is handed over until its outcome is answered. Direct requests (direct.py)
  take slots of the same count.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from actors.blobs import Blobs
from actors.crash_points import crash_point
from actors.journal.protocol import JournalApi
from actors.sharding import ShardedCoalescer
from actors.token_log.protocol import TokenLogApi
from actors.token_log.writer import TokenLogWriter
from deployments.engines.protocol import Engine, EngineDeadError
from deployments.history.responses import item_object
from deployments.inference.generation import Generator
from deployments.inference.intake import Intake, Work
from deployments.inference.language import EngineLanguage, Interpreters
from deployments.inference.slots import Slots
from deployments.inference.transcript import Output
from deployments.reporting import report
from events.ids import named_shard
from pipelines.commands import Answer, Finish, Generated, Outcome, Released
from pipelines.errors import HeliographError, StaleFenceError, outcome_of
from pipelines.jobs import ClaimedJob, Usage
from pipelines.payloads import Prompt, Result
from pipelines.ports import Ports, Task
from pipelines.steps import LINE

log = logging.getLogger("heliograph")
_ROOM_POLL_S = 0.05  # an engine does not say when it has room again
_SHARE_POLL_S = 1.0


@dataclass(slots=True, eq=False)
class _Running:
    claim: ClaimedJob
    task: Task | None = None  # None while the prompt is fetched
    beginning: bool = False  # a line without a token
    ended: bool = False  # its generation is over


class LineRoom:
    """The room for lines of batches: what their share leaves of the slots.

    At most as many begin together as the engine reads in one step: it goes on with prompts that it has begun before it
    looks at new ones, however urgent, so that more would keep whoever comes next waiting for several steps.
    """

    def __init__(self, slots: Slots, engine: Engine, ports: Ports) -> None:
        self._slots = slots
        self._engine = engine
        self._ports = ports

    def free_slots(self) -> int:
        """How many more lines it can take now."""
        return self._free() if self._engine.has_room() else 0

    async def wait_for_slot(self) -> None:
        """Returns when a slot is freed, and now and then: the share grows by itself."""
        if self._free():
            await self._ports.sleep(_ROOM_POLL_S)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHARE_POLL_S):
                await self._slots.freed()

    def _free(self) -> int:
        share = self._slots.share
        free = min(self._slots.free_for_lines(), share.portion())
        if self._engine.step_tokens:
            together = self._engine.step_tokens // share.prompt_tokens if share.prompt_tokens else 1
            free = min(free, max(1, int(together)) - share.beginning)
        return max(0, free)


class InferenceWorker:
    """Handles the claims of one model's topic; the puller feeds it."""

    def __init__(  # noqa: PLR0913 - one per part
        self,
        *,
        model: str,
        engine: Engine,
        slots: int,
        journal: JournalApi,
        token_log: TokenLogApi,
        blobs: Blobs,
        ports: Ports,
        on_engine_death: Callable[[], None],
        interpreters: Interpreters | None = None,  # None: the engine's text is all that there is to say
    ) -> None:
        self._engine = engine
        self.interpreters = interpreters or Interpreters(EngineLanguage(engine))
        self.slots = Slots(slots, model=model, metrics=ports.metrics, clock=ports.clock)
        self.line_room = LineRoom(self.slots, engine, ports)
        self._journal = journal
        self._blobs = blobs
        self._ports = ports
        self._on_engine_death = on_engine_death
        self._finishes: ShardedCoalescer[Finish, Answer] = ShardedCoalescer(
            journal.finish, shard=lambda finish: named_shard(finish.job_id), name="finish", ports=ports
        )
        self._writer = TokenLogWriter(token_log, ports=ports, on_refused=self.revoke)
        self._intake = Intake(blobs=blobs, token_log=token_log)
        self._generator = Generator(
            engine=engine,
            interpreters=self.interpreters,
            writer=self._writer,
            ports=ports,
            on_first=self._begun,
        )
        self._running: dict[str, _Running] = {}

    def free_slots(self) -> int:
        """How many more claims it can take now; none while the engine would only let them wait."""
        return self.slots.free() if self._engine.has_room() else 0

    async def wait_for_slot(self) -> None:
        """Returns when a slot is freed, or soon where only the engine lacks room."""
        if self.slots.free():
            await self._ports.sleep(_ROOM_POLL_S)
        else:
            await self.slots.freed()

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Fetch what the claims need, then start their generations, which go on in the background."""
        for claim in claims:
            self._stop(claim.job_id)  # an older claim of ours, lost and come back
            line = claim.pipeline == LINE
            self._running[claim.job_id] = _Running(claim, beginning=line)
            self.slots.take(line=line)
        for claim, work in zip(claims, await self._intake.fetch(claims), strict=True):
            running = self._running.get(claim.job_id)
            if running is not None and running.claim is claim:  # not revoked meanwhile
                running.task = self._ports.spawn(self._run(running, work), "generation")

    def held(self) -> list[ClaimedJob]:
        """The claims whose generations go on."""
        return [running.claim for running in self._running.values()]

    def revoke(self, job_id: str, fence: int) -> None:
        """Abort silently: another has decided this job."""
        running = self._running.get(job_id)
        if running is not None and running.claim.fence <= fence:
            self._stop(job_id)

    async def drain(self) -> None:
        """Stop everything and hand it back."""
        claims = [running.claim for running in self._running.values()]
        for claim in claims:
            self._stop(claim.job_id)
        released = [Finish(job_id=claim.job_id, fence=claim.fence, outcome=Released()) for claim in claims]
        if released:
            await self._journal.finish(released)

    async def _run(self, running: _Running, work: Work | Exception) -> None:
        claim = running.claim
        try:
            match work:
                case Exception():
                    outcome = self._failed(claim, work)
                case Work():
                    if claim.pipeline == LINE:
                        self.slots.share.read(work.prompt.input_tokens)
                    outcome = await self._generate(running, work)
            if outcome is not None:
                finish = Finish(job_id=claim.job_id, fence=claim.fence, outcome=outcome)
                crash_point("inference.finish.before")
                await report(self._finishes.do, [finish], ports=self._ports)
                crash_point("inference.finish.after")
        finally:
            if self._running.get(claim.job_id) is running:
                self._forget(claim.job_id)

    async def _generate(self, running: _Running, work: Work) -> Outcome | None:
        claim = running.claim
        try:
            output = await self._generator.run(claim, work.prompt, work.state)
            running.ended = True
            self.slots.end()
            await self._writer.flush(claim.job_id)
            return await self._generated(claim, work.prompt, output)
        except Exception as error:  # noqa: BLE001 - it is the outcome
            return self._failed(claim, error)

    def _failed(self, claim: ClaimedJob, error: Exception) -> Outcome | None:
        if isinstance(error, StaleFenceError):
            return None
        expected = isinstance(error, HeliographError)
        about = {"job": claim.job_id, "attempt": claim.attempt, "error": str(error)}
        log.warning("generation failed", exc_info=None if expected else error, extra=about)
        if isinstance(error, EngineDeadError):
            self._on_engine_death()
            return None
        return outcome_of(error)

    async def _generated(self, claim: ClaimedJob, prompt: Prompt, output: Output) -> Generated:
        usage = output.usage or Usage(prompt.input_tokens, len(output.token_ids), output.cached_tokens)
        result = Result(
            output=[item_object(item) for item in output.items],
            usage=usage,
            reasoning_tokens=output.reasoning_tokens,
            finish_reason=output.finish_reason,
            engine_fingerprint=output.engine_fingerprint,
            token_ids=output.token_ids,
        )
        payload = (await self._blobs.pack_many([(claim.tenant, result.encode())]))[0]
        return Generated(
            result=payload, status=output.status, usage=usage, finish_reason=output.finish_reason, end=output.end
        )

    def _begun(self, claim: ClaimedJob) -> None:
        running = self._running.get(claim.job_id)
        if running is not None and running.claim is claim and running.beginning:
            running.beginning = False
            self.slots.begun()

    def _stop(self, job_id: str) -> None:
        running = self._running.get(job_id)
        if running is None:
            return
        if running.task is not None:
            running.task.cancel()
        self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        running = self._running.pop(job_id)
        if running.beginning:
            self.slots.begun()
        self._writer.forget(job_id)
        self.slots.release(line=running.claim.pipeline == LINE, ended=running.ended)
