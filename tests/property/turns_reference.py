"""Deficit round robin as it is told: every round is walked through, and each tenant is given its token in each."""

from collections import Counter
from dataclasses import dataclass, field

from pipelines.jobs import Job, StepState
from pipelines.shares import class_of


def order(job: Job) -> tuple[int, float, str]:
    """Of the steps of a tenant."""
    return -job.priority, job.ready_at, job.id


@dataclass
class Class:
    """What the tenants of a class owe."""

    owed: Counter[str] = field(default_factory=Counter)

    def next(self, waiting: set[str]) -> str:
        """Walk through rounds until one of these has its turn."""
        while not (able := [tenant for tenant in waiting if self.owed[tenant] <= 0]):
            self.owed = Counter({tenant: tokens - 1 for tenant, tokens in self.owed.items() if tokens > 1})
        return min(able)

    def forgive(self, present: set[str]) -> None:
        """Nobody could take a step: who has none owes nothing."""
        self.owed = Counter({tenant: tokens for tenant, tokens in self.owed.items() if tenant in present})


class Reference:
    """Whose turn it is on one topic. `limits` are steps in work, by tenant."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.jobs: dict[str, Job] = {}
        self.classes: dict[int, Class] = {}

    def put(self, job: Job) -> None:
        """A row is another now."""
        self.jobs[job.id] = job
        ranks = {class_of(job.priority) for job in self.jobs.values() if job.step_state is StepState.READY}
        self.classes = {rank: self.classes.get(rank, Class()) for rank in ranks}

    def draw(self, slots: int) -> list[Job]:
        """The steps of a claim."""
        drawn: list[Job] = []
        for rank in sorted(self.classes, reverse=True):
            while len(drawn) < slots:
                taken = {job.id for job in drawn}
                ready = [job for job in self._ready(rank) if job.id not in taken]
                waiting = {job.tenant for job in ready if self._may_work(job.tenant, drawn)}
                if not waiting:
                    self.classes[rank].forgive({job.tenant for job in self._ready(rank)})
                    break
                tenant = self.classes[rank].next(waiting)
                drawn.append(min((job for job in ready if job.tenant == tenant), key=order))
                self.classes[rank].owed[tenant] += drawn[-1].tokens
        return drawn

    def held_back(self) -> int:
        """How many ready steps are those of tenants that may have no more in work."""
        ready = [job for rank in self.classes for job in self._ready(rank)]
        return sum(not self._may_work(job.tenant, []) for job in ready)

    def _ready(self, rank: int) -> list[Job]:
        jobs = self.jobs.values()
        return [job for job in jobs if job.step_state is StepState.READY and class_of(job.priority) == rank]

    def _may_work(self, tenant: str, drawn: list[Job]) -> bool:
        working = sum(job.step_state is StepState.CLAIMED for job in self.jobs.values() if job.tenant == tenant)
        return tenant not in self.limits or working + sum(job.tenant == tenant for job in drawn) < self.limits[tenant]
