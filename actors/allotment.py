"""How the free slots of a worker are offered to the shards: in proportion to what waits there, highest priority first.

It is for one topic of one worker. What it knows of a shard comes with tickets, heartbeats and the answers to claims, so
it may be a second old: it decides only who goes first, and never what is claimed.

Invariants:
- The slots of a claim under way are not free, so all claims together never ask for more than there is.
- A shard whose claim is not answered holds up nobody: the slots are counted again once it has failed.
- A shard that has work gets at least `LEAST` of the offers, and the first one at once.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from actors.puller import Room

LEAST = 1 / 16
LOOK_S = 0.05  # a worker does not say that a slot was freed while another is free


@dataclass(slots=True)
class _Stake:
    """What is known of a shard."""

    waiting: int = 0  # steps that are believed to be ready
    priority: int = 0  # of the best of them
    asked: int = 0  # slots of the claim that is under way, or handled
    busy: bool = False
    passed: float = 0.0  # offers, each the shorter the more work there is; who has the least is next
    work: asyncio.Event = field(default_factory=asyncio.Event)


class Allotment:
    """Of a room, to so many shards."""

    def __init__(self, room: Room, shards: int) -> None:
        self._room = room
        self._stakes = [_Stake() for _ in range(shards)]
        self._changed = asyncio.Event()

    def free_slots(self, shard: int) -> int:
        """How many the shard may be offered now. One that is not known to have work may wait for it with all."""
        free, own = self.all_free_slots(), self._stakes[shard]
        if not (free and own.waiting):
            return free
        rivals = [stake for stake in self._stakes if stake is own or (stake.waiting and not stake.busy)]
        offered = free if len(rivals) == 1 else _offered(own, rivals, free)
        idle = sum(not (stake.waiting or stake.busy) for stake in self._stakes)
        return max(min(offered, own.waiting), offered - idle)  # what may be in vain leaves one to each idle shard

    def all_free_slots(self) -> int:
        """How many are free."""
        return max(0, self._room.free_slots() - sum(stake.asked for stake in self._stakes))

    def asking_others(self, shard: int) -> bool:
        """Whether another shard's claim is under way, or handled."""
        return any(stake.busy for number, stake in enumerate(self._stakes) if number != shard)

    async def wait_for_slot(self) -> None:
        """Returns when `free_slots` may have changed."""
        if self._room.free_slots() <= 0:
            await self._room.wait_for_slot()
            return
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()

    async def wait_for_work(self, shard: int, wait_s: float) -> bool:
        """Whether the shard is known to have work, within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stakes[shard].work.wait()
        return self._stakes[shard].work.is_set()

    def hear(self, shard: int, steps: int, priority: int) -> None:
        """A shard has so many steps."""
        stake = self._stakes[shard]
        stake.priority = priority
        self._set(stake, steps)

    def see_ticket(self, shard: int) -> bool:
        """A shard has work. False where nobody can ask for it now."""
        if shard < len(self._stakes):
            stake = self._stakes[shard]
            self._set(stake, max(1, stake.waiting))
            return not stake.busy
        return True

    def begin(self, shard: int, slots: int) -> None:
        """A claim is under way."""
        stake = self._stakes[shard]
        stake.asked, stake.busy = slots, True

    def answer(self, shard: int, given: int, *, filled: bool) -> None:
        """A claim was answered with so many steps. There may be more; where it was not filled, little."""
        stake = self._stakes[shard]
        stake.passed += given / self._weight(stake)
        self._set(stake, max(1, stake.waiting - given) if filled else min(1, given))

    def end(self, shard: int) -> None:
        """A claim is no longer under way: it was handled, or has failed."""
        stake = self._stakes[shard]
        stake.asked, stake.busy = 0, False
        self._changed.set()

    def fail(self, shard: int) -> None:
        """A claim has failed, and will be repeated without slots."""
        self._set(self._stakes[shard], 0)
        self._stakes[shard].asked = 0
        self._changed.set()

    def _set(self, stake: _Stake, waiting: int) -> None:
        if waiting and not stake.waiting:  # it was idle, for which it gets nothing but the next offer
            stake.passed = min([each.passed for each in self._stakes if each.waiting], default=0.0)
        stake.waiting = waiting
        if waiting:
            stake.work.set()
            self._changed.set()
        else:
            stake.work.clear()

    def _weight(self, stake: _Stake) -> float:
        return max(stake.waiting, LEAST * sum(each.waiting for each in self._stakes), 1.0)


def _offered(own: _Stake, rivals: Sequence[_Stake], free: int) -> int:
    """Give out slot after slot; what is left when all known work has one is its own."""
    total = sum(stake.waiting for stake in rivals)
    steps = {id(stake): 1 / max(stake.waiting, LEAST * total) for stake in rivals}
    passed = {id(stake): stake.passed for stake in rivals}
    left = {id(stake): stake.waiting for stake in rivals}
    mine = 0
    for given in range(free):
        able = [stake for stake in rivals if left[id(stake)]]
        if not able:
            return mine + free - given
        best = min(able, key=lambda stake: (-stake.priority, passed[id(stake)], stake.waiting))
        passed[id(best)] += steps[id(best)]
        left[id(best)] -= 1
        mine += best is own
    return mine
