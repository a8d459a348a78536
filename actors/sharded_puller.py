"""Pulls for one worker from all shards: a puller each, which share the worker's slots and its topics' tickets.

A shard that cannot be reached stops its own puller only. Without a second shard there is nothing of this: `open_puller`
then makes the one puller.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from actors.allotment import LOOK_S, Allotment
from actors.heart import Heart
from actors.journal.protocol import Heartbeat, ShardApi, Worker
from actors.puller import TAKE_S, Handler, Lane, Puller, Room
from actors.sharding import together
from actors.topics.protocol import Ticket, Topic
from events.ids import named_shard
from pipelines.jobs import ClaimedJob
from pipelines.ports import Ports, Task

log = logging.getLogger("heliograph")
AGAIN_S = 1.0  # pause before a shard that was not there is tried again


class Trials:
    """Which shards have suspects for the worker: as long as one has, it takes nothing from another.

    Else nobody could tell whose job has crashed it.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._shards: set[int] = set()
        self.allotments: list[Allotment] = []

    def hear(self, shard: int, *, alone: bool) -> None:
        """Whether a shard has some."""
        (self._shards.add if alone else self._shards.discard)(shard)

    @property
    def shard(self) -> int | None:
        """The one whose suspects are tried, or will be once the worker is free."""
        return min(self._shards, default=None)

    def alone(self, shard: int) -> bool:
        """Whether it is this one's turn, and the worker neither holds nor is asking for anything of another."""
        asking = any(allotment.asking_others(shard) for allotment in self.allotments)
        return self.shard == shard and not asking and all(_shard(held) == shard for held in self._handler.held())


class SharedTopic:
    """One topic of a worker, for the pullers of all shards: sorts its tickets by shard, and allots its room."""

    def __init__(self, topic: Topic, room: Room, shards: int, trials: Trials, ports: Ports) -> None:
        self.name = topic.name
        self.trials = trials
        self.allotment = Allotment(room, shards)
        trials.allotments.append(self.allotment)
        self._topic = topic
        self._ports = ports
        self._waiting = 0  # pullers
        self._sorting: Task | None = None

    async def take(self, shard: int, wait_s: float) -> Ticket | None:
        """A ticket, or what else says that the shard has work."""
        if self._sorting is None:
            self._sorting = self._ports.spawn(self._sort(), f"tickets {self.name}")
        self._waiting += 1
        try:
            return Ticket(shard) if await self.allotment.wait_for_work(shard, wait_s) else None
        finally:
            self._waiting -= 1

    async def _sort(self) -> None:
        """As long as anybody waits. A ticket that nobody here can use is for another worker."""
        try:
            while self._waiting:
                ticket = await self._topic.take(TAKE_S)
                if ticket is not None and not (self._waiting and self.allotment.see_ticket(ticket.shard)):
                    await self._topic.put(1, ticket.shard)
                    await self._ports.sleep(LOOK_S)
        except Exception:
            log.exception("no tickets", extra={"topic": self.name})
            self._ports.metrics.count("loop_failures", loop=f"tickets {self.name}")
        finally:
            self._sorting = None


class _Share:
    """A shard's part of a topic's room, and of its tickets."""

    def __init__(self, topic: SharedTopic, shard: int) -> None:
        self.name = topic.name
        self._topic = topic
        self._shard = shard

    def free_slots(self) -> int:
        tried = self._topic.trials.shard
        if tried is None:
            return self._topic.allotment.free_slots(self._shard)
        return self._topic.allotment.all_free_slots() if tried == self._shard else 0

    async def wait_for_slot(self) -> None:
        await self._topic.allotment.wait_for_slot()

    async def take(self, wait_s: float) -> Ticket | None:
        return await self._topic.take(self._shard, wait_s)


class ShardLane(Lane):
    """A lane of one shard. A claim that has failed is repeated without slots: it may have been granted."""

    def __init__(self, topic: SharedTopic, shard: int) -> None:
        share = _Share(topic, shard)
        super().__init__(share, share)
        self._trials = topic.trials
        self._allotment = topic.allotment
        self._shard = shard

    def answer(self, given: int) -> None:
        """The claim was answered. One without slots says nothing of what there is, so the next may be in vain."""
        filled = self.claim is not None and given >= self.claim.slots
        super().answer(given)
        self.more = self.more or filled
        self._allotment.answer(self._shard, given, filled=filled)

    def alone(self) -> bool:
        """Whether the worker may try the shard's suspects now."""
        return self._trials.alone(self._shard)

    def hear(self, heartbeat: Heartbeat) -> None:
        """What the shard has."""
        if heartbeat.known:
            self._trials.hear(self._shard, alone=heartbeat.alone)
        for waiting in heartbeat.waiting:
            if waiting.topic == self.topic.name:
                self._allotment.hear(self._shard, waiting.steps, waiting.priority)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Its slots are taken until its answer was handled."""
        if self.claim is not None:
            self._allotment.begin(self._shard, self.claim.slots)
        try:
            yield
        finally:
            if self.claim is None:
                self._allotment.end(self._shard)
            else:
                self.claim = replace(self.claim, slots=0)
                self._allotment.fail(self._shard)


class ShardHandler:
    """A worker's handler, as the puller of one shard sees it."""

    def __init__(self, handler: Handler, shard: int) -> None:
        self._handler = handler
        self._shard = shard
        self.free_slots = handler.free_slots
        self.wait_for_slot = handler.wait_for_slot
        self.handle = handler.handle
        self.revoke = handler.revoke

    def held(self) -> list[ClaimedJob]:
        """Its claims of this shard's jobs."""
        return [claim for claim in self._handler.held() if _shard(claim) == self._shard]

    async def drain(self) -> None:
        """Stop what runs, unless all of it is other shards': their pullers still let it end."""
        if self.held() or not self._handler.held():
            await self._handler.drain()


class ShardedPuller:
    """The pullers of all shards."""

    def __init__(self, pullers: Sequence[Puller], ports: Ports) -> None:
        self._pullers = pullers
        self._ports = ports
        self._late: list[Task] = []

    async def start(self) -> None:
        """Begin to pull. A shard that is not there begins later; raises where none is."""
        errors = await asyncio.gather(*(puller.start() for puller in self._pullers), return_exceptions=True)
        failed = [(puller, error) for puller, error in zip(self._pullers, errors, strict=True) if error is not None]
        if len(failed) == len(self._pullers):
            raise failed[0][1]
        self._late = [self._ports.spawn(self._start_late(puller), "late shard") for puller, _ in failed]

    async def stop(self, *, drain_s: float = 0.0) -> None:
        """Stop pulling, let what runs end by itself within `drain_s` seconds, hand back the rest, leave."""
        for task in self._late:
            task.cancel()
        await together([puller.stop(drain_s=drain_s) for puller in self._pullers])

    async def _start_late(self, puller: Puller) -> None:
        while True:
            try:
                await puller.start()
            except Exception:
                log.exception("a shard cannot be reached")
                await self._ports.sleep(AGAIN_S)
            else:
                return


def open_puller(
    worker: Worker,
    handler: Handler,
    *,
    shards: Sequence[ShardApi],
    open_topic: Callable[[str], Topic],
    open_heart: Callable[[int], Heart],
    ports: Ports,
    line_room: Room | None = None,
) -> Puller | ShardedPuller:
    """What pulls for a worker from these shards; `open_heart` makes what beats for it at one of them."""
    rooms: list[tuple[Topic, Room]] = [(open_topic(worker.topic), handler)]
    if line_room and worker.line_topic:
        rooms.append((open_topic(worker.line_topic), line_room))
    if len(shards) == 1:
        lanes = [Lane(topic, room) for topic, room in rooms]
        return Puller(worker, handler, journal=shards[0], lanes=lanes, heart=open_heart(0), ports=ports)
    trials = Trials(handler)
    topics = [SharedTopic(topic, room, len(shards), trials, ports) for topic, room in rooms]
    pullers = [
        Puller(
            worker,
            ShardHandler(handler, shard),
            journal=journal,
            lanes=[ShardLane(topic, shard) for topic in topics],
            heart=open_heart(shard),
            ports=ports,
        )
        for shard, journal in enumerate(shards)
    ]
    return ShardedPuller(pullers, ports)


def _shard(claim: ClaimedJob) -> int:
    return named_shard(claim.job_id)
