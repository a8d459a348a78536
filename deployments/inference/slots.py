"""The slots of one replica: how many generations its engine runs side by side, those of jobs and direct ones together.

Invariants:
- Whoever waits here comes before jobs, which wait in the journal: a slot that is free while somebody waits is theirs.
- The queue is bounded, and goes by priority, then by arrival.
- The first slot that is given back after a claim waits for those that are about to be, GATHER_S at the most, so that
  one claim brings work for all of them: else jobs that began in groups would go on in groups for ever.

A claim that is under way is not counted yet, so for a moment a few more may run than there are slots; the engine
lets those wait by their priority.
"""

import asyncio
import heapq
import itertools
from contextlib import suppress
from dataclasses import dataclass, field

from deployments.inference.share import Share
from pipelines.errors import TransientError
from pipelines.ports import Clock, Metrics

QUEUE = 256
GATHER_S = 0.05  # two calls, on a busy machine


class QueueFullError(TransientError):
    """Too many wait for a slot already."""


@dataclass(order=True, slots=True)
class _Waiter:
    priority: int  # negated: the heap gives the least first
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class Slots:
    """Counts the slots of one engine. `queue` is how many may wait for one."""

    def __init__(self, total: int, *, model: str, metrics: Metrics, clock: Clock, queue: int = QUEUE) -> None:
        self.total = total
        self.taken = 0
        self.share = Share(total, clock)
        self._model = model
        self._metrics = metrics
        self._most = queue
        self._queue: list[_Waiter] = []
        self._numbers = itertools.count()
        self._freed = asyncio.Event()
        self._clock = clock
        self._ending = 0  # generations that are over, while their outcomes are written and reported
        self._awaited: int | None = None  # of them, by the next claim; None: no slot was given back yet
        self._awaited_until = 0.0

    def free(self) -> int:
        """How many more jobs may be claimed now."""
        return 0 if self._gathering_s() else max(0, self.total - self.taken - self.waiting)

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._queue)

    def free_for_lines(self) -> int:
        """The same for lines of batches."""
        return min(self.free(), self.share.free())

    def take(self, *, line: bool = False) -> None:
        """For a job whose claim is made: it has its slot, even where there are too few for a moment."""
        if line:
            self.share.lines += 1
            self.share.beginning += 1
        else:
            self.share.seen()
        self._awaited = None
        self._set(self.taken + 1)

    async def enter(self, priority: int) -> None:
        """Take a slot, in turn; higher priorities go first. Raises QueueFullError."""
        self.share.seen()
        if self.taken < self.total:
            self._set(self.taken + 1)
            return
        if self.waiting >= self._most:
            raise QueueFullError("Too many requests wait for this model.")
        waiter = _Waiter(-priority, next(self._numbers), asyncio.get_running_loop().create_future())
        heapq.heappush(self._queue, waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def begun(self) -> None:
        """A line has its first token, or will never have one."""
        self.share.beginning -= 1
        self._freed.set()

    def end(self) -> None:
        """A job's generation is over; its slot is given back once its outcome is answered."""
        self._ending += 1

    def release(self, *, line: bool = False, ended: bool = False) -> None:
        """Give a slot back, after `end` or not; the first in the queue has it at once."""
        if ended:
            self._gather()
        if line:
            self.share.lines -= 1
        first = self._first() if self.taken <= self.total else None
        if first is None:
            self._set(self.taken - 1)
        else:
            first.turn.set_result(None)
        self._freed.set()

    async def freed(self) -> None:
        """Returns when a slot was given back, or a line has begun, after this call, or those awaited took too long."""
        self._freed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._gathering_s() or None):
                await self._freed.wait()

    def _gather(self) -> None:
        self._ending -= 1
        if self._awaited is None:
            self._awaited, self._awaited_until = self._ending, self._clock.monotonic() + GATHER_S
        elif self._awaited:
            self._awaited -= 1

    def _gathering_s(self) -> float:
        """How long the next claim may still wait for others."""
        return max(0.0, self._awaited_until - self._clock.monotonic()) if self._awaited else 0.0

    def _set(self, taken: int) -> None:
        self.taken = taken
        self._metrics.level("generations_running", taken, model=self._model)

    def _first(self) -> _Waiter | None:
        while self._queue:
            waiter = heapq.heappop(self._queue)
            if not waiter.turn.cancelled():  # its task may not have heard of it yet
                return waiter
        return None

    def _leave(self, waiter: _Waiter) -> None:
        """Its task was cancelled: with the slot in hand, or while it waited."""
        if not waiter.turn.cancelled():
            self.release()
        elif waiter in self._queue:
            self._queue.remove(waiter)
            heapq.heapify(self._queue)
