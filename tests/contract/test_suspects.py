"""How every journal finds the one job that kills its workers, on every store."""

from collections.abc import Callable

import pytest

from actors.journal.journal import Journal
from actors.journal.protocol import Worker
from actors.journal.store import Store
from pipelines.jobs import ClaimedJob, Job, Status
from pipelines.steps import INDEXING, INDEXING_TOPIC
from pipelines.suspects import MAX_LONE_CRASHES
from tests.factories import PROMPTING, claim, finish, job_id, make_ports, rendered, submit

POISON = job_id(13)


class Fleet:
    """Workers that die as soon as they hold the poisoned job."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.crashes = 0
        self.claims = 0

    async def register(self, worker: str) -> None:
        await self.journal.register(Worker(id=worker, topic=PROMPTING, slots=64))

    async def claim(self, worker: str, slots: int = 64) -> list[ClaimedJob]:
        self.claims += 1
        return await self.journal.claim(claim(worker=worker, slots=slots, claim_id=f"c{self.claims}"))

    async def work(self, worker: str) -> int:
        """One round of a worker: how many jobs it got. It dies on poison, and its successor takes its name."""
        claims = await self.claim(worker)
        if any(item.job_id == POISON for item in claims):
            self.crashes += 1
            await self.journal.orphan(worker, crashed=True)
            await self.register(worker)
        else:
            await self.journal.finish([finish(item, rendered()) for item in claims])
        return len(claims)

    async def jobs(self, count: int) -> list[Job]:
        return [job for job in await self.journal.jobs("default", [job_id(n) for n in range(count)]) if job]


@pytest.fixture
def fleet(journal: Journal) -> Fleet:
    return Fleet(journal)


@pytest.mark.parametrize("workers", [["w1"], ["w1", "w2"]])
async def test_only_the_poisoned_one_among_100_is_dead_lettered(fleet: Fleet, workers: list[str]) -> None:
    for worker in workers:
        await fleet.register(worker)
    await fleet.journal.submit([submit(n) for n in range(100)])
    while sum([await fleet.work(worker) for worker in workers]):
        pass
    jobs = await fleet.jobs(100)
    assert [job.id for job in jobs if job.status is Status.FAILED] == [POISON]
    assert {job.step for job in jobs if job.id != POISON} == {"infer"}
    assert fleet.crashes <= 2 + 6 + MAX_LONE_CRASHES  # twice together, then 64 halved to one


async def test_the_first_crash_makes_nobody_a_suspect(fleet: Fleet) -> None:
    await fleet.register("w1")
    await fleet.journal.submit([submit(n) for n in range(20)])
    await fleet.work("w1")
    assert {(job.crashes, job.suspects) for job in await fleet.jobs(20)} == {(1, "")}
    assert len(await fleet.claim("w1")) == 20


async def test_a_worker_that_tries_suspects_takes_nothing_else_while_another_goes_on(fleet: Fleet) -> None:
    for worker in ("w1", "w2"):
        await fleet.register(worker)
    await fleet.journal.submit([submit(n) for n in range(20)])
    for _ in range(2):
        await fleet.work("w1")
    await fleet.journal.submit([submit(n) for n in range(20, 30)])
    assert len(await fleet.claim("w2", slots=4)) == 4
    (tester,) = set(fleet.journal.workers.testers().values())
    other = "w1" if tester == "w2" else "w2"
    if tester == "w2":
        await fleet.journal.orphan("w2", crashed=False)
        await fleet.register("w2")
    assert len(await fleet.claim(tester)) == 10  # one half of the suspects
    assert await fleet.claim(tester) == []
    assert {item.job_id for item in await fleet.claim(other, slots=2)} <= {job_id(n) for n in range(20, 30)}


async def test_a_busy_tester_gets_free_before_it_tries_suspects(fleet: Fleet) -> None:
    await fleet.register("w1")
    await fleet.journal.submit([submit(n) for n in range(20)])
    await fleet.claim("w1", slots=4)
    await fleet.journal.submit([submit(n) for n in range(30, 34)])
    for _ in range(2):
        claims = await fleet.claim("w2", slots=20)
        assert POISON in {item.job_id for item in claims}
        await fleet.journal.orphan("w2", crashed=True)
    held = await fleet.journal.claim(claim(worker="w1", slots=4, claim_id="c1"))
    assert len(held) == 4
    assert await fleet.claim("w1") == []
    await fleet.journal.finish([finish(item, rendered()) for item in held])
    assert 0 < len(await fleet.claim("w1")) < 20


async def test_a_lost_lease_is_no_evidence(fleet: Fleet) -> None:
    await fleet.register("w1")
    await fleet.journal.submit([submit()])
    for _ in range(10):
        (claimed,) = await fleet.claim("w1")
        await fleet.journal.orphan("w1", crashed=False)
    (job,) = await fleet.jobs(1)
    assert (job.attempt, job.crashes, job.failures, job.status) == (claimed.attempt, 0, 0, Status.QUEUED)


async def test_suspects_of_one_topic_are_tried_apart_from_the_workers_other_topic(journal: Journal) -> None:
    topics = (PROMPTING, INDEXING_TOPIC)
    await journal.submit([submit(n) for n in range(2)] + [submit(n, pipeline=INDEXING) for n in (2, 3)])

    async def taken(topic: str, slots: int) -> list[str]:
        number = f"c{len(claims)}"
        claims.append(number)
        jobs = await journal.claim(claim(topic, slots=slots, claim_id=number, topics=topics))
        return [job.job_id for job in jobs]

    claims: list[str] = []
    for _ in range(2):
        await journal.register(Worker(id="w1", topic=PROMPTING, line_topic=INDEXING_TOPIC, slots=8))
        assert await taken(PROMPTING, 2) == [job_id(0), job_id(1)]
        assert await taken(INDEXING_TOPIC, 1) == [job_id(2)]
        await journal.orphan("w1", crashed=True)
    assert await taken(INDEXING_TOPIC, 1) == []  # until those of the first topic are done
    assert await taken(PROMPTING, 8) == [job_id(0), job_id(1)]
    assert await taken(INDEXING_TOPIC, 1) == []


async def test_the_tester_of_one_of_several_shards_is_told_to_take_nothing_of_others(
    open_store: Callable[[], Store],
) -> None:
    fleet = Fleet(Journal(open_store(), ports=make_ports(), shards=2))

    async def alone() -> list[bool]:
        return [(await fleet.journal.heartbeat(worker, 0)).alone for worker in ("w1", "w2")]

    for worker in ("w1", "w2"):
        await fleet.register(worker)
    await fleet.journal.submit([submit(n) for n in range(2)])
    assert await alone() == [False, False]
    for _ in range(2):
        await fleet.claim("w1")
        await fleet.journal.orphan("w1", crashed=True)
        await fleet.register("w1")
    assert await alone() == [False, True]
    (trial,) = await fleet.claim("w2", slots=1)
    assert await alone() == [False, True]
    await fleet.journal.finish([finish(trial, rendered())])
    (trial,) = await fleet.claim("w2")
    await fleet.journal.finish([finish(trial, rendered())])
    assert await alone() == [False, False]
