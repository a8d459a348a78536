import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.journal.protocol import Heartbeat, Worker
from actors.puller import Puller
from actors.remotes import UnreachableError
from actors.sharded_puller import ShardedPuller, open_puller
from events.ids import named_shard
from pipelines.commands import Claim
from tests.factories import PROMPTING, make_ports
from tests.pullers import Hands
from tests.shards import TENANTS, Shards, submit_for


class Line:
    """A way to a journal that may be cut, before or after it has done what it was asked."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.cut = False
        self.deaf = False  # what it was asked is done, and nobody hears of it
        self.claims: list[Claim] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def register(self, worker: Worker) -> None:
        self._check()
        await self._journal.register(worker)

    async def claim(self, claim: Claim) -> Any:
        self._check()
        self.claims.append(claim)
        answer = await self._journal.claim(claim)
        if self.deaf:
            raise UnreachableError("the answer was lost")
        return answer

    def _check(self) -> None:
        if self.cut:
            raise UnreachableError("cut")


class Heart:
    """Beats when the test says so."""

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        self.worker, self.beat = worker_id, take_in

    def stop(self) -> None:
        pass


class Bench:
    """A worker with its hands at two shards."""

    def __init__(self, slots: int) -> None:
        self.shards = Shards()
        self.lines = [Line(journal) for journal in self.shards.journals]
        self.hearts = [Heart(), Heart()]
        self.hands = Hands(slots)
        self.puller = self._open(slots)

    def _open(self, slots: int) -> ShardedPuller:
        puller = open_puller(
            Worker(id="w1", topic=PROMPTING, slots=slots),
            self.hands,
            shards=self.lines,
            open_topic=self.shards.topic,
            open_heart=self.hearts.__getitem__,
            ports=replace(make_ports(), sleep=lambda _: asyncio.sleep(0.001)),
        )
        assert isinstance(puller, ShardedPuller)
        return puller

    async def start(self) -> None:
        await self.puller.start()

    async def beat(self) -> None:
        """Both shards say what they have, in one moment."""
        answers = [await journal.heartbeat("w1", 0) for journal in self.shards.journals]
        for heart, answer in zip(self.hearts, answers, strict=True):
            heart.beat(answer)

    async def has(self, number: int) -> Counter[int]:
        """Waits until the worker holds so many claims; how many are of each shard."""
        async with asyncio.timeout(10):
            while len(self.hands.claims) < number:
                self.hands.got.clear()
                await self.hands.got.wait()
        assert len(self.hands.claims) == number
        return Counter(named_shard(claim.job_id) for claim in self.hands.claims)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(4)
    yield bench
    await bench.puller.stop()
    bench.shards.stop()


def test_one_shard_has_the_plain_puller() -> None:
    shards = Shards(1)
    worker = Worker(id="w1", topic=PROMPTING, slots=1)
    puller = open_puller(
        worker,
        Hands(1),
        shards=shards.journals,
        open_topic=shards.topic,
        open_heart=lambda _: Heart(),
        ports=make_ports(),
    )
    assert isinstance(puller, Puller)


async def test_jobs_of_both_shards_are_done(bench: Bench) -> None:
    bench.shards.start()
    await bench.start()
    await bench.shards.journal.submit([submit_for(tenant, number) for number in (1, 2) for tenant in TENANTS])
    assert await bench.has(4) == {0: 2, 1: 2}


async def test_slots_are_offered_in_proportion_and_never_more_than_there_are(bench: Bench) -> None:
    await bench.shards.journal.submit(
        [submit_for(tenant, number) for tenant, jobs in zip(TENANTS, (30, 10), strict=True) for number in range(jobs)]
    )
    await bench.start()
    given: Counter[int] = Counter()
    for _ in range(5):
        await bench.beat()
        given += await bench.has(4)
        bench.hands.let_go()
    assert given == {0: 15, 1: 5}


async def test_the_highest_priority_of_all_shards_goes_first(bench: Bench) -> None:
    jobs = [submit_for("default", number) for number in range(20)] + [
        submit_for("acme", number, priority=10) for number in range(4)
    ]
    await bench.shards.journal.submit(jobs)
    await bench.start()
    await bench.beat()
    assert await bench.has(4) == {1: 4}


async def test_a_shard_that_cannot_be_reached_stops_no_other_and_comes_later(bench: Bench) -> None:
    bench.lines[1].cut = True
    bench.shards.start()
    await bench.start()
    await bench.shards.journal.submit([submit_for(tenant, number) for number in range(8) for tenant in TENANTS])
    assert await bench.has(4) == {0: 4}
    bench.hands.let_go()
    assert await bench.has(4) == {0: 4}
    bench.lines[1].cut = False
    bench.hands.let_go()
    assert await bench.has(4) == {1: 4}


async def test_a_claim_whose_answer_is_lost_is_asked_for_again_without_slots(bench: Bench) -> None:
    await bench.start()
    bench.lines[1].deaf = True
    await bench.shards.journal.submit([submit_for("acme", 1)])
    await bench.shards.topic(PROMPTING).put(1, 1)
    async with asyncio.timeout(10):
        while len(bench.lines[1].claims) < 3:
            await asyncio.sleep(0)
    await bench.shards.journal.submit([submit_for("default", number) for number in range(3)])
    await bench.shards.topic(PROMPTING).put(1, 0)
    assert await bench.has(3) == {0: 3}
    bench.lines[1].deaf = False
    assert await bench.has(4) == {0: 3, 1: 1}
    first, *others = bench.lines[1].claims
    assert first.slots
    assert {(claim.claim_id, claim.slots) for claim in others[:2]} == {(first.claim_id, 0)}


async def test_suspects_are_tried_by_a_worker_that_has_nothing_of_another_shard(bench: Bench) -> None:
    await bench.start()
    innocent, suspect = submit_for("default", 1), submit_for("acme", 1)
    await bench.shards.journal.submit([suspect])
    for crash in range(2):
        await bench.shards.journals[1].claim(Claim(claim_id=f"c{crash}", topic=PROMPTING, worker="w0", slots=1))
        await bench.shards.journals[1].orphan("w0", crashed=True)
    await bench.shards.journal.submit([innocent])
    await bench.shards.topic(PROMPTING).put(1, 0)
    assert await bench.has(1) == {0: 1}
    await bench.beat()
    await bench.shards.journal.submit([submit_for("default", 2)])
    await bench.shards.topic(PROMPTING).put(1, 1)
    await bench.shards.topic(PROMPTING).put(1, 0)
    async with asyncio.timeout(10):
        while not bench.lines[1].claims:
            await asyncio.sleep(0)
    assert not bench.lines[1].claims[0].alone
    assert await bench.has(1) == {0: 1}
    bench.hands.let_go()
    await bench.shards.topic(PROMPTING).put(1, 1)
    assert await bench.has(1) == {1: 1}


async def test_what_one_shard_revokes_or_forgets_concerns_its_own_jobs_only(bench: Bench) -> None:
    bench.shards.start()
    await bench.start()
    await bench.shards.journal.submit([submit_for(tenant, number) for number in (1, 2) for tenant in TENANTS])
    await bench.has(4)
    forgetful = bench.shards.journals[1]
    await forgetful.orphan("w1", crashed=False)
    bench.hearts[1].beat(await forgetful.heartbeat("w1", 0))
    gone = {await asyncio.wait_for(bench.hands.revoked.get(), 10) for _ in range(2)}
    assert {named_shard(job_id) for job_id in gone} == {1}
    assert bench.hands.revoked.empty()
    async with asyncio.timeout(10):
        while not forgetful.workers.registered():
            await asyncio.sleep(0)


async def test_a_worker_that_leaves_lets_one_shards_job_end_though_it_has_none_of_the_other(bench: Bench) -> None:
    await bench.start()
    await bench.shards.journal.submit([submit_for("acme", 1)])
    await bench.shards.topic(PROMPTING).put(1, 1)
    assert await bench.has(1) == {1: 1}
    leaving = asyncio.ensure_future(bench.puller.stop(drain_s=60))
    async with asyncio.timeout(10):
        while bench.shards.journals[0].workers.registered():
            await asyncio.sleep(0)
    (seat,) = bench.shards.journals[1].workers.registered()
    assert seat.slots == 0
    assert await bench.has(1) == {1: 1}
    bench.hands.let_go()
    await asyncio.wait_for(leaving, 10)
    assert bench.shards.journals[1].workers.registered() == []


async def test_what_a_worker_cannot_end_in_time_is_handed_back_to_each_shard(bench: Bench) -> None:
    await bench.start()
    await bench.shards.journal.submit([submit_for(tenant, 1) for tenant in TENANTS])
    for shard in range(2):
        await bench.shards.topic(PROMPTING).put(1, shard)
    assert await bench.has(2) == {0: 1, 1: 1}
    await asyncio.wait_for(bench.puller.stop(drain_s=0.01), 10)
    assert bench.hands.claims == []
    assert [(await journal.depth())[PROMPTING].ready for journal in bench.shards.journals] == [1, 1]


async def test_a_ticket_is_followed_by_claims_without_one_while_there_is_work(bench: Bench) -> None:
    await bench.start()
    await bench.shards.journal.submit([submit_for("acme", number) for number in range(6)])
    await bench.shards.topic(PROMPTING).put(1, 1)
    assert await bench.has(4) == {1: 4}
    bench.hands.let_go()
    assert await bench.has(2) == {1: 2}
    assert [claim.ticket for claim in bench.lines[1].claims[:2]] == [True, False]
