"""The tenants of one class of a topic, who take turns by deficit round robin in tokens (decision 018).

In each round a tenant is given one token. Who takes a step owes its tokens, and has the next turn when they are paid.
Rounds in which nobody can take anything are not walked through: a heap has the round of everybody's next turn.

Invariants: who comes anew has its turn in this round, before all that were served in it; nobody saves tokens while it
has no work; who leaves and comes back still owes, unless there was a moment at which nobody could take a step. A claim
costs as many steps of the heap as it takes jobs and passes tenants.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace

from pipelines.jobs import Job

Heads = Callable[[Sequence[str], int], Mapping[str, Sequence[Job]]]  # so many ready steps of each tenant, best first


@dataclass(slots=True)
class Seat:
    """A tenant among those of a class."""

    ready: int = 0  # steps
    turn: int = 0  # the round of the next
    is_queued: bool = False
    is_held_back: bool = False  # it has as many steps in work as it may


@dataclass(slots=True)
class Ring:
    """The tenants of a class of a topic."""

    round: int = 0
    ready: int = 0
    seats: dict[str, Seat] = field(default_factory=dict)
    queue: list[tuple[int, str]] = field(default_factory=list)  # a heap of (turn, tenant)

    def count(self, tenant: str, by: int) -> Seat:
        """So many steps more are ready."""
        seat = self.seats.get(tenant)
        if seat is None:
            seat = self.seats[tenant] = Seat()
        seat.ready += by
        self.ready += by
        if seat.ready > 0 and not seat.is_held_back:
            self.enqueue(tenant)
        return seat

    def let_go(self, tenant: str) -> int:
        """It may have more in work; how many of its steps were held back."""
        seat = self.seats.get(tenant)
        if seat is None or not seat.is_held_back:
            return 0
        seat.is_held_back = False
        self.enqueue(tenant)
        return seat.ready

    def enqueue(self, tenant: str) -> None:
        """It has its turn, in this round at the earliest."""
        seat = self.seats[tenant]
        if not seat.is_queued:
            seat.is_queued, seat.turn = True, max(seat.turn, self.round)
            heappush(self.queue, (seat.turn, tenant))

    def dequeue(self) -> str:
        """The next one has no turn any more. Where it has no steps either it is forgotten: what it owed is paid."""
        _, tenant = heappop(self.queue)
        self.seats[tenant].is_queued = False
        if not self.seats[tenant].ready:
            del self.seats[tenant]
        return tenant

    def charge(self, tokens: int) -> None:
        """The next one has taken a step."""
        self.round, tenant = self.queue[0]
        seat = self.seats[tenant]
        seat.turn = self.round + tokens
        heapreplace(self.queue, (seat.turn, tenant))

    def next(self) -> str | None:
        """The tenant that has the next turn. Any thread may ask."""
        entries = [(entry, self.seats.get(entry[1])) for entry in list(self.queue)]
        return min((entry for entry, seat in entries if seat is not None and seat.ready), default=(0, None))[1]

    def first(self, number: int) -> list[str]:
        """The tenants whose turns are next, in order."""
        entries = [heappop(self.queue) for _ in range(min(number, len(self.queue)))]
        for entry in entries:
            heappush(self.queue, entry)
        return [tenant for _, tenant in entries]


class Draw:
    """The steps that one claim takes from a ring. `room` says how many more a tenant may have in work."""

    def __init__(self, ring: Ring, heads: Heads, room: Callable[[str], int]) -> None:
        self._ring = ring
        self._heads = heads
        self._room = room
        self._left: dict[str, int] = {}  # by tenant: steps that may still be taken
        self._taken: Counter[str] = Counter()
        self._stock: dict[str, deque[Job]] = {}  # steps that were read and not taken
        self.held_back = 0  # ready steps of those that have now as many in work as they may

    def take(self, slots: int) -> list[Job]:
        """So many steps, or all that there are. Those who have none left keep their turns, for more may come."""
        jobs: list[Job] = []
        drained = []
        while len(jobs) < slots and self._ring.queue:
            tenant = self._ring.queue[0][1]
            if self._may_take(tenant, slots - len(jobs)):
                jobs.append(self._stock[tenant].popleft())
                self._note(tenant, jobs[-1].tokens)
            elif self._room(tenant) > self._taken[tenant]:
                drained.append(self._ring.dequeue())
            else:
                self._hold_back(self._ring.dequeue())
        for tenant in drained:
            if tenant in self._ring.seats:
                self._ring.enqueue(tenant)
        return jobs

    def _may_take(self, tenant: str, slots: int) -> bool:
        """Whether there is a step of the tenant's, which is then in stock."""
        if self._available(tenant) and not self._stock.get(tenant):
            self._read(slots)
        return self._available(tenant) > 0

    def _available(self, tenant: str) -> int:
        if tenant not in self._left:
            self._left[tenant] = min(self._ring.seats[tenant].ready, self._room(tenant))
        return self._left[tenant]

    def _read(self, slots: int) -> None:
        """Read as many steps as there are slots, of those together who are next."""
        tenants = [name for name in self._ring.first(slots) if self._available(name) and not self._stock.get(name)]
        limit = -(-slots // len(tenants)) + max(self._taken[name] for name in tenants)
        found = self._heads(tenants, limit)
        for name in tenants:
            jobs = found.get(name, ())
            self._stock[name] = deque(jobs[self._taken[name] :])
            if len(jobs) < limit:
                self._left[name] = min(self._left[name], len(self._stock[name]))

    def _note(self, tenant: str, tokens: int) -> None:
        self._ring.charge(tokens)
        self._left[tenant] -= 1
        self._taken[tenant] += 1

    def _hold_back(self, tenant: str) -> None:
        if seat := self._ring.seats.get(tenant):
            seat.is_held_back = True
            self.held_back += seat.ready
