import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from actors.heart import ThreadHeart
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Heartbeat, Worker
from actors.puller import Lane, Puller
from actors.topics.in_process import InProcessTopic
from pipelines.commands import Cancel
from pipelines.jobs import ClaimedJob
from pipelines.steps import INDEX, INDEXING, INDEXING_TOPIC, RENDER
from tests.factories import PROMPTING, ManualClock, job_id, make_ports, submit
from tests.pullers import Hands, SilentHeart, seat


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


class Clumsy(Hands):
    """Fails with its first batch, of which it holds the first job all the same."""

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        first = not self.batches
        await super().handle(claims[:1] if first else claims)
        if first:
            raise RuntimeError("the handler's own")


async def test_what_a_handler_drops_when_it_raises_is_handed_back_and_comes_again(
    journal: Journal, topic: InProcessTopic
) -> None:
    hands = Clumsy(2)
    leaver = Puller(
        seat(2), hands, journal=journal, lanes=[Lane(topic, hands)], heart=SilentHeart(), ports=make_ports()
    )
    await leaver.start()
    await journal.submit([submit(0), submit(1)])
    await topic.put(1)
    async with asyncio.timeout(10):
        while len(hands.claims) < 2:
            await topic.put(1)
            await asyncio.sleep(0)
            await journal.tick()
    jobs = await journal.jobs("default", [job_id(0), job_id(1)])
    assert [(job.attempt, job.releases) for job in jobs if job] == [(1, 0), (1, 1)]
    await leaver.stop()
