"""The turns of tenants: as a plain deficit round robin would give them, and fair in tokens."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.journal.census import row_of
from actors.journal.disk import Disk
from actors.journal.limits import TenantLimits
from actors.journal.memory_transaction import MemoryTransaction
from actors.journal.turns import Turns
from pipelines.jobs import Job, StepState, reference_of
from tests.property.turns_reference import Reference, order

TOPIC = "topic.prompting"
TENANTS = ["a", "b", "c", "d"]
LIMITS = {"c": 2, "d": 1}
PRIORITIES = [0, 0, 0, 1, -5000, -5001]  # the last two are of one class
ENDS = [StepState.DONE, StepState.READY]
BACKLOG = st.lists(st.lists(st.integers(1, 50), min_size=30, max_size=40), min_size=2, max_size=4)


class Subject:
    """Turns on a store in memory. It is told of each row as it comes and goes."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.disk = Disk(uuid="one")
        self.turns = Turns({tenant: TenantLimits(steps=steps) for tenant, steps in limits.items()})

    def put(self, job: Job) -> None:
        before = self.disk.jobs.get(job.id)
        self.disk.jobs[job.id] = job
        self.turns.count(row_of(job))
        if before is not None:
            self.turns.count(row_of(before)._replace(jobs=-1))

    def draw(self, slots: int) -> list[Job]:
        return self.turns.draw(MemoryTransaction(self.disk), TOPIC, slots)


def ready(number: int, tenant: str, tokens: int, priority: int = 0) -> Job:
    return Job(
        id=f"resp_{number:04d}",
        tenant=tenant,
        pipeline="generate",
        model="scripted",
        step="render",
        topic=TOPIC,
        priority=priority,
        max_output_tokens=tokens,
        ready_at=float(number),
        deadline_at=1e9,
        created_at=0.0,
        request=reference_of(b""),
    )


@pytest.mark.parametrize("seed", range(40))
def test_turns_are_those_of_a_round_robin_that_walks_through_every_round(seed: int) -> None:
    random, subject, reference, numbers = Random(seed), Subject(LIMITS), Reference(LIMITS), itertools.count()

    def put(job: Job) -> None:
        subject.put(job)
        reference.put(job)

    for _ in range(40):
        match random.choice(["arrive", "arrive", "claim", "claim", "end"]):
            case "arrive":
                tenant = random.choice(TENANTS)
                for _ in range(random.randint(1, 4)):
                    put(ready(next(numbers), tenant, random.randint(0, 6), random.choice(PRIORITIES)))
            case "claim":
                slots = random.randint(1, 5)
                drawn = subject.draw(slots)
                assert [job.id for job in drawn] == [job.id for job in reference.draw(slots)]
                for job in drawn:
                    put(replace(job, step_state=StepState.CLAIMED))
                if len(drawn) < slots:
                    assert subject.turns.held_back(TOPIC) == reference.held_back()
            case _:
                if ids := sorted(reference.jobs):
                    put(replace(reference.jobs[random.choice(ids)], step_state=random.choice(ENDS)))


@given(BACKLOG, st.integers(1, 9), st.integers(1, 12))
@settings(max_examples=60, derandomize=True, database=None, deadline=None)
def test_those_who_always_have_work_get_as_many_tokens_but_for_one_job(
    sizes: Sequence[Sequence[int]], slots: int, claims: int
) -> None:
    subject, numbers = Subject({}), itertools.count()
    for tenant, tokens in zip(TENANTS, sizes, strict=False):
        for size in tokens:
            subject.put(ready(next(numbers), tenant, size))
    got: Counter[str] = Counter(dict.fromkeys(TENANTS[: len(sizes)], 0))
    taken: dict[str, list[Job]] = {}
    for _ in range(claims):
        for job in subject.draw(slots):
            subject.put(replace(job, step_state=StepState.CLAIMED))
            got[job.tenant] += job.tokens
            taken.setdefault(job.tenant, []).append(job)
        if any(len(taken.get(tenant, [])) == len(tokens) for tenant, tokens in zip(TENANTS, sizes, strict=False)):
            break  # who has no work any more gets less
        assert max(got.values()) - min(got.values()) <= max(map(max, sizes))
    for jobs in taken.values():
        assert jobs == sorted(jobs, key=order)


def test_a_claim_reads_little_more_than_it_takes() -> None:
    """A queue of many tenants, or of many jobs of one, is not read through."""
    for tenants, jobs in ((1, 1000), (500, 2), (3, 300)):
        subject = Subject({})
        for number in range(tenants * jobs):
            subject.put(ready(number, f"t{number % tenants}", 1 + number % 7))
        reads = Reads(subject.disk)
        drawn = subject.turns.draw(reads, TOPIC, 32)
        assert len(drawn) == 32
        assert reads.tenants <= 32
        assert reads.jobs <= 3 * 32


class Reads(MemoryTransaction):
    """Counts what is read."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.tenants = 0
        self.jobs = 0

    def ready(
        self, topic: str, priorities: tuple[int, int], tenants: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Job]]:
        found = super().ready(topic, priorities, tenants, limit)
        self.tenants += len(tenants)
        self.jobs += sum(map(len, found.values()))
        return found
