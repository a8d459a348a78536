"""The one pull loop of every worker, for each topic of its: free slots, a ticket, a claim for many, the handler.

A claim that was not for nothing is followed by another without a ticket: while there is work, tickets stay away.

Invariants: nothing is claimed without a free slot; a claim whose answer was lost is repeated under the same id; when
the journal forgot this worker, it lets go of what was given to others, and registers again. A worker that leaves claims
nothing more, and what it has claimed it ends or hands back. `heart.py` keeps the lease.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from actors.crash_points import crash_point
from actors.heart import Heart
from actors.journal.protocol import Heartbeat, ShardApi, Worker
from actors.supervision import supervise
from actors.topics.protocol import Ticket
from pipelines.commands import Claim, Finish, Released
from pipelines.errors import TransientError
from pipelines.jobs import ClaimedJob, StepState
from pipelines.ports import Ports, Task

log = logging.getLogger("heliograph")
LOOK_S = 0.02
TAKE_S = 2.0  # how long one wait for a ticket lasts
SETTLE_S = 2.0  # for a claim that is under way when its worker leaves in a hurry


class Room(Protocol):
    """How much more a worker can take from one topic."""

    def free_slots(self) -> int:
        """How many more claims it can take now."""

    async def wait_for_slot(self) -> None:
        """Returns when `free_slots` may have become positive."""


class Handler(Room, Protocol):
    """What a worker does with its claims. Its room is that for its first topic."""

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Work on a batch; may return while it still runs in the background."""

    def held(self) -> Sequence[ClaimedJob]:
        """The claims that it works on beyond `handle`."""

    def revoke(self, job_id: str, fence: int) -> None:
        """Abort silently: another has decided this job."""

    async def drain(self) -> None:
        """Stop what runs and hand it back."""


class Source(Protocol):
    """A topic, as far as it is taken from."""

    name: str

    async def take(self, wait_s: float) -> Ticket | None:
        """One ticket, or None."""


class Lane:
    """One topic of a worker, with the room that there is for it."""

    def __init__(self, topic: Source, room: Room) -> None:
        self.topic = topic
        self.room = room
        self.claim: Claim | None = None  # sent, and not yet answered
        self.claims = 0  # so many were made
        self.more = False  # the last one was not for nothing, so there may be more
        self.ticket = False  # one is in hand
        self.turn = asyncio.Lock()  # held while a claim is made and handed over
        self.in_hand: Sequence[ClaimedJob] = ()  # while they are handed over, and where that has failed

    def answer(self, given: int) -> None:
        """The claim was answered with so many steps."""
        self.more, self.claim = given > 0, None

    def alone(self) -> bool:
        """Whether the worker can have nothing of another shard meanwhile."""
        return True

    def hear(self, heartbeat: Heartbeat) -> None:
        """What the journal has; one that is alone says it with tickets."""

    def asking(self) -> AbstractContextManager[None]:
        """Around a claim, and what is done with its answer."""
        return nullcontext()


class Puller:
    """Pulls for one worker: from the topic of the handler, and from that of lines where there is a second lane."""

    def __init__(
        self,
        worker: Worker,
        handler: Handler,
        *,
        journal: ShardApi,
        lanes: Sequence[Lane],
        heart: Heart,
        ports: Ports,
    ) -> None:
        self._worker = worker
        self._handler = handler
        self._journal = journal
        self._lanes = lanes
        self._heart = heart
        self._ports = ports
        self._loops: list[Task] = []
        self._registered = asyncio.Event()
        self._left = False

    async def start(self) -> None:
        """Register and begin to pull."""
        await self._journal.register(self._worker)
        self._registered.set()
        for lane in self._lanes:
            turn = partial(self._turn, lane)
            self._loops.append(supervise(turn, name=f"puller {lane.topic.name}", ports=self._ports))
        self._heart.start(self._worker.id, self._take_in)

    async def stop(self, *, drain_s: float = 0.0) -> None:
        """Stop pulling, let what runs end by itself within `drain_s` seconds, hand back the rest, leave."""
        give_up_at = self._ports.clock.monotonic() + drain_s
        await _within(max(drain_s, SETTLE_S), self._rest())
        for loop in self._loops:
            loop.cancel()
        await _within(give_up_at - self._ports.clock.monotonic(), self._come_to_an_end())
        self._left = True
        self._heart.stop()
        await self._hand_back()
        await self._journal.deregister(self._worker.id)

    async def _rest(self) -> None:
        """Returns when no claim is under way; none is made from then on."""
        await asyncio.gather(*(lane.turn.acquire() for lane in self._lanes))

    async def _come_to_an_end(self) -> None:
        """Returns when nothing runs any more. The journal knows meanwhile that there is no room here."""
        if self._handler.held():
            self._worker = replace(self._worker, slots=0)
            with suppress(TransientError):
                await self._journal.register(self._worker)
        while self._handler.held():
            await self._handler.wait_for_slot()
            await self._ports.sleep(LOOK_S)  # a slot may be free although something is held

    async def _hand_back(self) -> None:
        """What runs, and what was cut while it was handed over."""
        await self._handler.drain()
        for lane in self._lanes:
            if lane.in_hand:
                await self._release(lane)

    async def _release(self, lane: Lane) -> None:
        """Hand back what a handler was given and does not hold."""
        held = {(claim.job_id, claim.fence) for claim in self._handler.held()}
        cut = [claim for claim in lane.in_hand if (claim.job_id, claim.fence) not in held]
        if cut:
            released = [Finish(job_id=claim.job_id, fence=claim.fence, outcome=Released()) for claim in cut]
            await self._journal.finish(released)
        lane.in_hand = ()

    async def _turn(self, lane: Lane) -> None:
        await self._registered.wait()
        if lane.in_hand:  # the handler has raised
            await self._release(lane)
        if (lane.claim is None or lane.claim.slots) and lane.room.free_slots() <= 0:
            await lane.room.wait_for_slot()
            return
        if lane.claim is None and not (lane.more or lane.ticket):
            lane.ticket = await lane.topic.take(TAKE_S) is not None
            if not lane.ticket:
                return
        async with lane.turn:
            await self._claim(lane)

    async def _claim(self, lane: Lane) -> None:
        if lane.claim is None:
            slots = lane.room.free_slots()
            if slots <= 0:  # taken for another shard meanwhile
                return
            lane.claim = self._new_claim(lane, slots)
        with lane.asking():
            crash_point("puller.claim.before")
            claims = await self._journal.claim(lane.claim)
            crash_point("puller.claim.after")
            lane.answer(len(claims))
            self._ports.metrics.observe("claim_size", len(claims), topic=lane.topic.name)
            if claims:
                lane.in_hand = claims
                await self._handler.handle(claims)
                lane.in_hand = ()

    def _new_claim(self, lane: Lane, slots: int) -> Claim:
        lane.claims += 1
        ticket, lane.ticket = lane.ticket, False
        return Claim(
            claim_id=self._ports.ids.new("claim"),
            topic=lane.topic.name,
            worker=self._worker.id,
            slots=slots,
            number=lane.claims,
            limit_s=self._worker.attempt_limit_s,
            topics=self._worker.topics,
            ticket=ticket,
            alone=lane.alone(),
        )

    def _take_in(self, heartbeat: Heartbeat) -> None:
        for lane in self._lanes:
            lane.hear(heartbeat)
        for job_id, fence in heartbeat.revoked:
            self._handler.revoke(job_id, fence)
        if not heartbeat.known and not self._left:
            self._ports.spawn(self._register_again(), "register again")

    async def _register_again(self) -> None:
        try:
            await self._let_go()  # first: where it fails the next heartbeat brings us here again
            await self._journal.register(self._worker)
        except Exception:
            log.exception("registration failed", extra={"worker": self._worker.id})

    async def _let_go(self) -> None:
        """Abort what is no longer this worker's: nobody could tell it while it was unknown."""
        held = sorted(self._handler.held(), key=lambda claim: claim.tenant)
        for tenant, group in itertools.groupby(held, key=lambda claim: claim.tenant):
            claims = list(group)
            jobs = await self._journal.jobs(tenant, [claim.job_id for claim in claims])
            for claim, job in zip(claims, jobs, strict=True):
                if job is None or job.fence != claim.fence or job.step_state is not StepState.CLAIMED:
                    self._handler.revoke(claim.job_id, claim.fence)


async def _within(seconds: float, work: Awaitable[None]) -> None:
    """Do it for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await work
