import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from actors import puller
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Heartbeat, ShardApi
from actors.puller import Lane, Puller
from actors.topics.in_process import InProcessTopic
from pipelines.jobs import ClaimedJob
from tests.factories import PROMPTING, finish, job_id, make_ports, rendered, submit
from tests.pullers import Hands, SilentHeart, SlowJournal, seat


@pytest.fixture
def journal() -> Journal:
    return Journal(MemoryStore(Disk(uuid="one")), ports=make_ports())


@pytest.fixture
def topic() -> InProcessTopic:
    return InProcessTopic(PROMPTING, size=10)


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
