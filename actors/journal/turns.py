"""Whose turn it is on each topic, and what each tenant may have at once (decision 018).

Classes of priorities are strict: a lower one gets a step only where the higher ones have none that may be taken. Within
a class the tenants share; see `ring.py`. In memory, and changed only by the thread that writes: a journal that starts
counts what its store has, and so does one whose transaction has failed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from sys import maxsize
from typing import NamedTuple, Protocol

from actors.journal.census import CensusRow
from actors.journal.limits import EVERYBODY, NO_LIMITS, TenantLimits
from actors.journal.ring import Draw, Ring
from pipelines.jobs import Job, StepState
from pipelines.shares import class_of, priorities_of
from pipelines.steps import LINES, is_of_lines


class Steps(Protocol):
    """Where ready steps are read: a transaction, or those in memory, where these are all."""

    def ready(
        self, topic: str, priorities: tuple[int, int], tenants: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Job]]:
        """See `store.Transaction`."""


class Turn(NamedTuple):
    """The tenant that is next on a topic, with steps of these priorities, the lowest and the highest."""

    tenant: str
    lowest: int
    highest: int


class Turns:
    """Of one journal. `limits` are by tenant."""

    def __init__(self, limits: Mapping[str, TenantLimits]) -> None:
        self._limits = limits
        self._topics: dict[str, _Topic] = {}
        self._open: Counter[str] = Counter()  # jobs, by tenant; without lines of batches
        self._suspects: Counter[str] = Counter()  # ready steps of suspects, by topic
        self.horizon = 0.0  # jobs with an earlier deadline were looked at when it came near

    def restart(self, rows: Iterable[CensusRow]) -> None:
        """Forget everything but these."""
        self._topics, self._open, self._suspects, self.horizon = {}, Counter(), Counter(), 0.0
        for row in rows:
            self.count(row)
            if not is_of_lines(row.topic):
                self._open[row.tenant] += row.jobs

    def admits(self, tenant: str, jobs: int = 1) -> bool:
        """Whether it may have so many more open jobs."""
        limit = self._limits_of(tenant).jobs
        return not limit or self._open[tenant] + jobs <= limit

    def open(self, job: Job) -> None:
        """A job is accepted."""
        self._open[job.tenant] += job.pipeline not in LINES

    def close(self, job: Job) -> None:
        """A job has ended."""
        self._open[job.tenant] -= job.pipeline not in LINES
        if not self._open[job.tenant]:
            del self._open[job.tenant]

    def count(self, row: CensusRow) -> None:
        """So many jobs more, or fewer, are like this."""
        match row.state:
            case StepState.READY if row.is_suspect:
                self._suspects[row.topic] += row.jobs
            case StepState.READY:
                self._topic(row.topic).count(row.tenant, class_of(row.priority), row.jobs)
            case StepState.CLAIMED:
                self._topic(row.topic).work(row.tenant, row.jobs)

    def draw(self, steps: Steps, topic: str, slots: int) -> list[Job]:
        """Ready steps of those whose turn it is, each to be claimed in this transaction."""
        return self._topics[topic].draw(steps, slots) if topic in self._topics else []

    def ready(self, topic: str) -> int:
        """All ready steps, but for those of suspects."""
        return self._topics[topic].ready if topic in self._topics else 0

    def suspects(self, topic: str) -> int:
        """The ready steps of suspects, which are not given out by turns."""
        return self._suspects[topic]

    def held_back(self, topic: str) -> int:
        """The ready steps of tenants that have as many in work as they may."""
        return self._topics[topic].held_back if topic in self._topics else 0

    def next(self, topic: str) -> Turn | None:
        """Whose turn is next; None where nobody has steps that may be taken."""
        return self._topics[topic].next() if topic in self._topics else None

    def _topic(self, name: str) -> "_Topic":
        if name not in self._topics:
            self._topics[name] = _Topic(name, self._limits_of)
        return self._topics[name]

    def _limits_of(self, tenant: str) -> TenantLimits:
        return self._limits.get(tenant) or self._limits.get(EVERYBODY, NO_LIMITS)


class _Topic:
    """The classes that have ready steps, and what every tenant has in work."""

    def __init__(self, name: str, limits_of: Callable[[str], TenantLimits]) -> None:
        self._name = name
        self._limits_of = limits_of
        self._rings: dict[int, Ring] = {}  # by class
        self._working: Counter[str] = Counter()  # steps, by tenant
        self.held_back = 0  # ready steps

    def count(self, tenant: str, rank: int, by: int) -> None:
        """So many steps more are ready."""
        ring = self._rings.get(rank)
        if ring is None:
            ring = self._rings[rank] = Ring()
        if ring.count(tenant, by).is_held_back:
            self.held_back += by
        if not ring.ready:
            del self._rings[rank]

    def work(self, tenant: str, by: int) -> None:
        """So many more are in work."""
        self._working[tenant] += by
        if by < 0 and self._limits_of(tenant).steps and self._room(tenant) > 0:
            for ring in self._rings.values():
                self.held_back -= ring.let_go(tenant)
        if not self._working[tenant]:
            del self._working[tenant]

    @property
    def ready(self) -> int:
        """Steps."""
        return sum(ring.ready for ring in self._rings.values())

    def draw(self, steps: Steps, slots: int) -> list[Job]:
        """So many ready steps, the highest class first."""
        jobs: list[Job] = []
        taken: Counter[str] = Counter()
        for rank in sorted(self._rings, reverse=True):
            heads = partial(steps.ready, self._name, priorities_of(rank))
            draw = Draw(self._rings[rank], heads, lambda tenant: self._room(tenant) - taken[tenant])
            jobs += (drawn := draw.take(slots - len(jobs)))
            taken.update(job.tenant for job in drawn)
            self.held_back += draw.held_back
            if len(jobs) == slots:
                break
        return jobs

    def next(self) -> Turn | None:
        """Whose turn is next."""
        for rank, ring in sorted(self._rings.items(), reverse=True):
            if (tenant := ring.next()) is not None:
                return Turn(tenant, *priorities_of(rank))
        return None

    def _room(self, tenant: str) -> int:
        limit = self._limits_of(tenant).steps
        return limit - self._working[tenant] if limit else maxsize
