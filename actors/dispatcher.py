"""The dispatcher: puts tickets where work is, seals what has ended, lets time act, notices who has died, tidies up.

It lives in the journal's process. It keeps min(steps, workers with room) tickets on each topic; a step
counts from when the one before it is claimed, so that its worker is already there when it becomes ready. Everything
it knows can be lost: the sweep each second serves any topic that has work and saw no claim, and seals what is open.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from actors.attendance import Attendance
from actors.crash_points import crash_point
from actors.housekeeping import Housekeeping
from actors.journal.effects import Effects
from actors.journal.journal import Journal
from actors.journal.protocol import Death
from actors.supervision import supervise
from actors.telemetry.story import tell_seals
from actors.token_log.protocol import SealRequest, TokenLogApi
from actors.topics.protocol import Topic
from pipelines.jobs import Job
from pipelines.ports import Ports, Task
from pipelines.steps import SEALED

log = logging.getLogger("heliograph")
SWEEP_S = 1.0
IDLE_SWEEP_S = 10.0  # workers that hold nothing are asked after so seldom: nobody waits for them
SEALS_PER_CALL = 500
MOST_KEPT = 10_000


class Dispatcher:
    """Drives one journal. `open_topic` finds or makes a topic; `death_of` knows of a process's handle."""

    def __init__(
        self,
        journal: Journal,
        token_log: TokenLogApi,
        *,
        open_topic: Callable[[str], Topic],
        death_of: Callable[[Any], Awaitable[Death | None]],
        ports: Ports,
    ) -> None:
        self._journal = journal
        self._token_log = token_log
        self._open_topic = open_topic
        self._death_of = death_of
        self._ports = ports
        self._housekeeping = Housekeeping(journal, token_log, ports)
        self._attendance = Attendance(journal, death_of, ports)
        self._topics: dict[str, Topic] = {}
        self._tickets: Counter[str] = Counter()  # out, by topic
        self._claimed: set[str] = set()  # topics with a claim since the last sweep
        self._to_seal: dict[str, Job] = {}
        self._work = asyncio.Event()
        self._seals = asyncio.Event()
        self._tasks: list[Task] = []

    def start(self) -> None:
        """Begin; leftovers of an earlier life come first."""
        self._journal.on_commit = self._hear
        self._seals.set()
        keep, run, wind = self._housekeeping.prune, self._housekeeping.run_errands, self._housekeeping.wind_down
        watch, dismiss = self._attendance.watch, self._attendance.dismiss
        for turn in (
            self._hand_out,
            self._seal,
            self._sweep,
            self._bury,
            self._bury_idle,
            keep,
            run,
            wind,
            watch,
            dismiss,
        ):
            self._tasks.append(supervise(turn, name=turn.__name__.strip("_"), ports=self._ports))

    def stop(self) -> None:
        """End all loops."""
        for task in self._tasks:
            task.cancel()

    def _hear(self, effects: Effects) -> None:
        for topic, used in effects.tickets.items():
            self._tickets[topic] = max(0, self._tickets[topic] - used)
            self._claimed.add(topic)
        if effects.ended:
            if len(self._to_seal) < MOST_KEPT:  # the sweep finds the others in the store
                self._to_seal.update((job.id, job) for job in effects.ended if job.pipeline in SEALED)
            self._seals.set()
        self._work.set()

    async def _hand_out(self) -> None:
        await self._work.wait()
        await self._ports.sleep(0)  # whoever waits for the commit has its answer first
        self._work.clear()
        for name in sorted({*self._journal.counts.ready, *self._journal.counts.coming}):
            work = self._journal.claimable(name) + self._journal.counts.coming[name]
            room = self._journal.workers.with_room(name) - self._journal.unasked[name]
            missing = min(work, room) - self._tickets[name]
            if missing > 0:
                self._tickets[name] += missing
                crash_point("dispatcher.put.before")
                await self._topic(name).put(missing, self._journal.shard)
                crash_point("dispatcher.put.after")

    async def _seal(self) -> None:
        await self._seals.wait()
        self._seals.clear()
        jobs, self._to_seal = list(self._to_seal.values()), {}
        jobs = jobs or await self._journal.unsealed(SEALS_PER_CALL)
        for start in range(0, len(jobs), SEALS_PER_CALL):
            part = jobs[start : start + SEALS_PER_CALL]
            since = self._ports.clock.now()
            crash_point("dispatcher.seal.before")
            await self._token_log.seal([seal_request(job) for job in part])
            crash_point("dispatcher.seal.after")
            tell_seals(part, since=since, ports=self._ports)
            await self._journal.mark_sealed([job.id for job in part])

    async def _sweep(self) -> None:
        await self._ports.sleep(SWEEP_S)
        for topic in [name for name in self._tickets if name not in self._claimed]:
            self._tickets[topic] = 0
        self._claimed.clear()
        await self._journal.tick()
        if await self._journal.unsealed(1):
            self._seals.set()
        self._work.set()
        for name, depth in (await self._journal.depth()).items():
            self._ports.metrics.level("queue_depth", depth.ready, topic=name)
            self._ports.metrics.level("queue_age_seconds", depth.age_s, topic=name)

    async def _bury(self) -> None:
        await self._ports.sleep(SWEEP_S)
        await self._ask_after(idle=False)
        for worker_id in self._journal.workers.silent():
            log.warning("lease ran out", extra={"worker": worker_id})
            self._ports.metrics.count("lease_expiries")
            await self._journal.orphan(worker_id, crashed=False)

    async def _bury_idle(self) -> None:
        await self._ports.sleep(IDLE_SWEEP_S)
        await self._ask_after(idle=True)

    async def _ask_after(self, *, idle: bool) -> None:
        """Those that hold nothing, or the others. What the dead held is offered again."""
        busy = self._journal.workers.busy()
        known = [worker for worker in self._journal.workers.registered() if worker.handle is not None]
        workers = [worker for worker in known if (worker.id not in busy) is idle]
        deaths = await asyncio.gather(*(self._death_of(worker.handle) for worker in workers))
        for worker, death in ((worker, death) for worker, death in zip(workers, deaths, strict=True) if death):
            log.warning("worker died (%s)", death, extra={"worker": worker.id, "topic": worker.topic})
            await self._journal.orphan(worker.id, crashed=death is Death.CRASH)

    def _topic(self, name: str) -> Topic:
        if name not in self._topics:
            self._topics[name] = self._open_topic(name)
        return self._topics[name]


def seal_request(job: Job) -> SealRequest:
    """How the log of a terminal job ends."""
    return SealRequest(job_id=job.id, status=job.status, fault=job.fault, end=job.end)
