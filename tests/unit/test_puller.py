import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import pytest

from actors import puller
from actors.heart import ThreadHeart
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Heartbeat, ShardApi, Worker
from actors.puller import Lane, Puller
from actors.topics.in_process import InProcessTopic
from pipelines.commands import Cancel, Claim
from pipelines.jobs import ClaimedJob
from pipelines.steps import INDEX, INDEXING, INDEXING_TOPIC, RENDER
from tests.factories import PROMPTING, ManualClock, finish, job_id, make_ports, rendered, submit


class Hands:
    """A handler that keeps what it is given until told to let go."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.claims: list[ClaimedJob] = []
        self.batches: list[int] = []
        self.revoked: asyncio.Queue[str] = asyncio.Queue()
        self.got = asyncio.Event()
        self._freed = asyncio.Event()

    def free_slots(self) -> int:
        return self._slots - len(self.claims)

    async def wait_for_slot(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        self.claims.extend(claims)
        self.batches.append(len(claims))
        self.got.set()

    def let_go(self) -> None:
        self.claims.clear()
        self.got.clear()
        self._freed.set()

    def held(self) -> Sequence[ClaimedJob]:
        return self.claims

    def revoke(self, job_id: str, fence: int) -> None:
        del fence
        self.revoked.put_nowait(job_id)

    async def drain(self) -> None:
        self.let_go()


class SilentHeart:
    """Beats when the test says so."""

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        del worker_id
        self.beat = take_in

    def stop(self) -> None:
        pass


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal(clock: ManualClock) -> Journal:
    return Journal(MemoryStore(Disk(uuid="one")), ports=make_ports(clock))


@pytest.fixture
def topic() -> InProcessTopic:
    return InProcessTopic(PROMPTING, size=10)


@pytest.fixture
async def hands(journal: Journal, topic: InProcessTopic) -> AsyncIterator[Hands]:
    hands, loop = Hands(2), asyncio.get_running_loop()

    def beat(worker_id: str, wait_s: float) -> Heartbeat:
        return asyncio.run_coroutine_threadsafe(journal.heartbeat(worker_id, min(wait_s, 0.2)), loop).result()

    worker = Worker(id="w1", topic=PROMPTING, slots=2, attempt_limit_s=60)
    heart = ThreadHeart(beat, ports=make_ports())
    leaver = Puller(worker, hands, journal=journal, lanes=[Lane(topic, hands)], heart=heart, ports=make_ports())
    await leaver.start()
    yield hands
    await leaver.stop()


async def test_a_claim_is_made_for_many_and_never_beyond_the_free_slots(
    hands: Hands, journal: Journal, topic: InProcessTopic
) -> None:
    await journal.submit([submit(n) for n in range(3)])
    await topic.put(2)
    await asyncio.wait_for(hands.got.wait(), 10)
    assert hands.batches == [2]
    hands.let_go()
    await asyncio.wait_for(hands.got.wait(), 10)
    assert hands.batches == [2, 1]


async def test_a_claim_that_was_not_for_nothing_is_followed_by_one_without_a_ticket(
    hands: Hands, journal: Journal, topic: InProcessTopic
) -> None:
    await journal.submit([submit(n) for n in range(5)])
    await topic.put(1)
    for _ in range(3):
        await asyncio.wait_for(hands.got.wait(), 10)
        hands.let_go()
    assert hands.batches == [2, 2, 1]
    await journal.submit([submit(9)])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    assert hands.batches == [2, 2, 1, 1]


async def test_a_cancel_reaches_the_worker(hands: Hands, journal: Journal, topic: InProcessTopic) -> None:
    await journal.submit([submit()])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    assert await asyncio.wait_for(hands.revoked.get(), 10) == job_id()


async def test_an_attempt_that_takes_too_long_is_taken_from_the_worker(
    hands: Hands, journal: Journal, topic: InProcessTopic, clock: ManualClock
) -> None:
    await journal.submit([submit()])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    clock.time += 61
    await journal.tick()
    assert await asyncio.wait_for(hands.revoked.get(), 10) == job_id()


async def test_a_worker_that_the_journal_forgot_registers_again(hands: Hands, journal: Journal) -> None:
    del hands  # it is running
    journal.workers.remove("w1")
    async with asyncio.timeout(10):
        while not journal.workers.registered():
            await asyncio.sleep(0)


async def test_a_worker_that_was_given_up_lets_go_of_what_is_no_longer_its_own(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands, heart = Hands(2), SilentHeart()
    worker = Worker(id="w1", topic=PROMPTING, slots=2)
    leaver = Puller(worker, hands, journal=journal, lanes=[Lane(topic, hands)], heart=heart, ports=make_ports())
    await leaver.start()
    await journal.submit([submit(0), submit(1)])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    await journal.cancel([Cancel(job_id=job_id(0), tenant="default")])
    journal.workers.remove("w1")  # with all that it was to be told
    heart.beat(Heartbeat(known=False, revoked=[]))
    assert await asyncio.wait_for(hands.revoked.get(), 10) == job_id(0)
    async with asyncio.timeout(10):
        while not journal.workers.registered():
            await asyncio.sleep(0)
    assert hands.revoked.empty()
    await leaver.stop()


class OneLine:
    """Room for one line among what the hands hold."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self.wait_for_slot = hands.wait_for_slot

    def free_slots(self) -> int:
        return 1 - sum(claim.step == INDEX for claim in self._hands.claims)


async def test_a_worker_takes_lines_from_a_topic_of_their_own_as_far_as_they_have_room(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands = Hands(2)
    line_topic = InProcessTopic(INDEXING_TOPIC, size=10)
    lanes = [Lane(topic, hands), Lane(line_topic, OneLine(hands))]
    worker = Worker(id="w1", topic=PROMPTING, line_topic=INDEXING_TOPIC, slots=2)
    leaver = Puller(worker, hands, journal=journal, lanes=lanes, heart=SilentHeart(), ports=make_ports())
    await leaver.start()
    await journal.submit([submit(n, pipeline=INDEXING) for n in range(3)])
    await line_topic.put(2)
    await asyncio.wait_for(hands.got.wait(), 10)
    hands.got.clear()
    await journal.submit([submit(n) for n in (3, 4)])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    assert [claim.step for claim in hands.claims] == [INDEX, RENDER]
    depth = await journal.depth()
    assert {name: (each.claimed, each.ready) for name, each in depth.items()} == {
        PROMPTING: (1, 1),
        INDEXING_TOPIC: (1, 2),
    }
    await leaver.stop()


class SlowJournal:
    """The journal, whose claims are answered when the test lets them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        claims = await self._journal.claim(claim)
        self.asked.set()
        await self.answer.wait()
        return claims


async def test_a_worker_that_leaves_takes_nothing_more_and_ends_what_it_has_begun(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands = Hands(3)
    leaver = Puller(
        seat(3), hands, journal=journal, lanes=[Lane(topic, hands)], heart=SilentHeart(), ports=make_ports()
    )
    await leaver.start()
    await journal.submit([submit(0), submit(1)])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    leaving = asyncio.ensure_future(leaver.stop(drain_s=60))
    async with asyncio.timeout(10):
        while journal.workers.of(PROMPTING):
            await asyncio.sleep(0)
    await journal.submit([submit(2)])
    await topic.put(1)
    await journal.finish([finish(claim, rendered()) for claim in hands.claims])
    assert not leaving.done()
    hands.let_go()
    await asyncio.wait_for(leaving, 10)
    assert hands.batches == [2]
    assert (await journal.depth())[PROMPTING].ready == 1
    assert journal.workers.registered() == []


async def test_a_claim_that_is_under_way_is_not_forgotten_when_its_worker_leaves(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands, slow = Hands(1), SlowJournal(journal)
    leaver = Puller(
        seat(1),
        hands,
        journal=cast("ShardApi", slow),
        lanes=[Lane(topic, hands)],
        heart=SilentHeart(),
        ports=make_ports(),
    )
    await leaver.start()
    await journal.submit([submit()])
    await topic.put(1)
    await asyncio.wait_for(slow.asked.wait(), 10)
    leaving = asyncio.ensure_future(leaver.stop(drain_s=60))
    slow.answer.set()
    await asyncio.wait_for(hands.got.wait(), 10)
    hands.let_go()
    await asyncio.wait_for(leaving, 10)
    assert hands.batches == [1]


async def test_a_worker_whose_time_to_leave_is_over_hands_back_what_it_holds(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands = Hands(1)
    leaver = Puller(
        seat(1), hands, journal=journal, lanes=[Lane(topic, hands)], heart=SilentHeart(), ports=make_ports()
    )
    await leaver.start()
    await journal.submit([submit()])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    await asyncio.wait_for(leaver.stop(drain_s=0.01), 10)
    assert hands.claims == []


class Stuck(Hands):
    """Never gets to the end of a batch."""

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        await super().handle(claims)
        self.claims.clear()
        await asyncio.Event().wait()


async def test_a_batch_that_is_cut_is_handed_back_without_an_attempt(
    journal: Journal, topic: InProcessTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller, "SETTLE_S", 0.01)
    hands = Stuck(2)
    leaver = Puller(
        seat(2), hands, journal=journal, lanes=[Lane(topic, hands)], heart=SilentHeart(), ports=make_ports()
    )
    await leaver.start()
    await journal.submit([submit(0), submit(1)])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    await asyncio.wait_for(leaver.stop(), 10)
    jobs = await journal.jobs("default", [job_id(0), job_id(1)])
    assert [(job.attempt, job.releases) for job in jobs if job] == [(0, 1)] * 2


async def test_a_journal_that_restarts_meanwhile_learns_of_a_worker_that_is_leaving(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands, heart = Hands(1), SilentHeart()
    leaver = Puller(seat(1), hands, journal=journal, lanes=[Lane(topic, hands)], heart=heart, ports=make_ports())
    await leaver.start()
    await journal.submit([submit()])
    await topic.put(1)
    await asyncio.wait_for(hands.got.wait(), 10)
    leaving = asyncio.ensure_future(leaver.stop(drain_s=60))
    async with asyncio.timeout(10):
        while journal.workers.of(PROMPTING):
            await asyncio.sleep(0)
        journal.workers.remove("w1")
        heart.beat(Heartbeat(known=False, revoked=[]))
        while not journal.workers.registered():
            await asyncio.sleep(0)
    assert journal.workers.of(PROMPTING) == []
    hands.let_go()
    await asyncio.wait_for(leaving, 10)
    heart.beat(Heartbeat(known=False, revoked=[]))  # an answer that was on its way
    await asyncio.sleep(0)
    assert journal.workers.registered() == []


def seat(slots: int) -> Worker:
    return Worker(id="w1", topic=PROMPTING, slots=slots)
