import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Heartbeat, Worker
from actors.puller import Lane, Puller
from deployments.synchronous.desk import Desk, DeskHandler, DeskJournal
from pipelines.commands import Cancel, Finish, Released, Retrieved
from pipelines.jobs import ClaimedJob, StepState
from pipelines.outcomes import following_topic
from tests.factories import INFERENCE, PROMPTING, claim, job_id, make_ports, payload, rendered, submit


class Renderer:
    """A handler that reports when the test says so."""

    def __init__(self, desk: Desk, journal: Journal) -> None:
        self._journal = DeskJournal(journal, desk)
        self.claims: asyncio.Queue[ClaimedJob] = asyncio.Queue()
        self.batches: list[int] = []
        self.revoked: list[str] = []
        self.room = asyncio.Event()
        self.room.set()
        self.asked_for_room = asyncio.Event()

    def free_slots(self) -> int:
        return 10 if self.room.is_set() else 0

    async def wait_for_slot(self) -> None:
        self.asked_for_room.set()
        await self.room.wait()

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        self.batches.append(len(claims))
        for each in claims:
            self.claims.put_nowait(each)

    async def finish(self, claim: ClaimedJob) -> None:
        await self._journal.finish([Finish(job_id=claim.job_id, fence=claim.fence, outcome=rendered())])

    async def release(self, claim: ClaimedJob) -> None:
        await self._journal.finish([Finish(job_id=claim.job_id, fence=claim.fence, outcome=Released())])

    def held(self) -> Sequence[ClaimedJob]:
        return []

    def revoke(self, job_id: str, fence: int) -> None:
        del fence
        self.revoked.append(job_id)

    async def drain(self) -> None:
        pass


class Heart:
    """Beats when the test says so."""

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        del worker_id
        self.beat = take_in

    def stop(self) -> None:
        pass


@pytest.fixture
def journal() -> Journal:
    return Journal(MemoryStore(Disk(uuid="one")), ports=make_ports())


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def renderer(desk: Desk, journal: Journal) -> Renderer:
    return Renderer(desk, journal)


@pytest.fixture
def heart() -> Heart:
    return Heart()


@pytest.fixture
async def puller(desk: Desk, journal: Journal, renderer: Renderer, heart: Heart) -> AsyncIterator[Puller]:
    handler = DeskHandler(renderer, desk, [PROMPTING])
    puller = Puller(
        Worker(id="w1", topic=PROMPTING, slots=10, called=True),
        handler,
        journal=DeskJournal(journal, desk),
        lanes=[Lane(desk.topic(PROMPTING), handler)],
        heart=heart,
        ports=make_ports(),
    )
    await puller.start()
    yield puller
    await puller.stop()


async def call(desk: Desk, topic: str = PROMPTING) -> str:
    async with asyncio.timeout(10):
        return await desk.work(topic)


async def full(renderer: Renderer, desk: Desk) -> None:
    """The handler has no room, and its puller has noticed."""
    renderer.room.clear()
    await desk.topic(PROMPTING).put(1)  # where it waits for a ticket
    await asyncio.wait_for(renderer.asked_for_room.wait(), 10)


async def waiting(desk: Desk, number: int) -> None:
    async with asyncio.timeout(10):
        while desk.waiting(PROMPTING) < number:
            await asyncio.sleep(0)


pytestmark = pytest.mark.usefixtures("puller")


async def test_a_call_does_one_step_and_tells_what_follows(desk: Desk, journal: Journal, renderer: Renderer) -> None:
    await journal.submit([submit(n) for n in range(3)])
    calling = asyncio.ensure_future(call(desk))
    claimed = await renderer.claims.get()
    assert renderer.batches == [1]
    assert not calling.done()
    await renderer.finish(claimed)
    assert await calling == INFERENCE
    assert journal.counts.ready == {PROMPTING: 2, INFERENCE: 1}


async def test_calls_that_wait_together_are_claimed_for_together(
    desk: Desk, journal: Journal, renderer: Renderer
) -> None:
    await journal.submit([submit(n) for n in range(5)])
    calls = [asyncio.ensure_future(call(desk)) for _ in range(3)]
    for _ in calls:
        await renderer.finish(await renderer.claims.get())
    assert await asyncio.gather(*calls) == [INFERENCE] * 3
    assert renderer.batches == [3]


async def test_a_call_for_which_nothing_is_ready_returns(desk: Desk, journal: Journal, renderer: Renderer) -> None:
    await journal.submit([submit()])
    calls = [asyncio.ensure_future(call(desk)) for _ in range(2)]
    claimed = await renderer.claims.get()
    (empty,), _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert empty.result() == ""
    await renderer.finish(claimed)
    assert sorted(await asyncio.gather(*calls)) == ["", INFERENCE]


async def test_a_step_that_is_handed_back_is_followed_by_nothing(
    desk: Desk, journal: Journal, renderer: Renderer
) -> None:
    await journal.submit([submit()])
    calling = asyncio.ensure_future(call(desk))
    await renderer.release(await renderer.claims.get())
    assert await calling == ""


async def test_a_call_returns_when_its_job_is_cancelled(
    desk: Desk, journal: Journal, renderer: Renderer, heart: Heart
) -> None:
    await journal.submit([submit()])
    calling = asyncio.ensure_future(call(desk))
    claimed = await renderer.claims.get()
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    heart.beat(await journal.heartbeat("w1", 0.0))
    assert await calling == ""
    assert renderer.revoked == [job_id()]
    await renderer.finish(claimed)  # too late: refused, and nobody waits for it


async def test_a_call_returns_when_the_journal_gave_its_job_to_another(
    desk: Desk, journal: Journal, renderer: Renderer, heart: Heart
) -> None:
    await journal.submit([submit()])
    calling = asyncio.ensure_future(call(desk))
    await renderer.claims.get()
    await journal.orphan("w1", crashed=False)
    assert [job.job_id for job in await journal.claim(claim(worker="w2"))] == [job_id()]
    heart.beat(Heartbeat(known=False, revoked=[]))
    assert await calling == ""


async def test_a_handler_holds_what_calls_wait_for_on_its_own_topics(
    desk: Desk, journal: Journal, renderer: Renderer
) -> None:
    await journal.submit([submit()])
    calling = asyncio.ensure_future(call(desk))
    claimed = await renderer.claims.get()
    assert DeskHandler(renderer, desk, [PROMPTING]).held() == [claimed]
    assert DeskHandler(renderer, desk, [INFERENCE]).held() == []
    await renderer.finish(claimed)
    await calling
    assert DeskHandler(renderer, desk, [PROMPTING]).held() == []


async def test_a_caller_that_has_gone_leaves_its_step_to_the_next(
    desk: Desk, journal: Journal, renderer: Renderer
) -> None:
    await full(renderer, desk)
    gone = asyncio.ensure_future(desk.work(PROMPTING))
    await waiting(desk, 1)
    gone.cancel()
    await asyncio.wait([gone])
    await journal.submit([submit()])
    calling = asyncio.ensure_future(call(desk))
    renderer.room.set()
    await renderer.finish(await renderer.claims.get())
    assert await calling == INFERENCE
    assert renderer.batches == [1]


async def test_all_calls_return_when_the_replica_leaves(
    desk: Desk, journal: Journal, renderer: Renderer, puller: Puller
) -> None:
    await journal.submit([submit()])
    calling = asyncio.ensure_future(call(desk))
    await renderer.claims.get()
    await puller.stop()
    assert await calling == ""
    assert await call(desk) == ""  # from who has not heard of it yet
    (job,) = await journal.jobs("default", [job_id()])
    assert job is not None
    assert job.step_state is StepState.READY


async def test_a_topic_that_nobody_here_works_on_is_refused(desk: Desk) -> None:
    with pytest.raises(LookupError):
        await call(desk, "topic.nobody")


async def test_more_calls_than_tickets_are_served_all_the_same(
    journal: Journal, renderer: Renderer, desk: Desk
) -> None:
    await full(renderer, desk)
    await journal.submit([submit(n) for n in range(5)])  # the handler takes ten at once
    calls = [asyncio.ensure_future(call(desk)) for _ in range(30)]
    await waiting(desk, 30)
    while await desk.topic(PROMPTING).take(0):  # a full topic drops tickets
        pass
    await desk.topic(PROMPTING).put(1)
    renderer.room.set()
    for _ in range(5):
        await renderer.finish(await renderer.claims.get())
    assert sorted(await asyncio.gather(*calls)) == [""] * 25 + [INFERENCE] * 5


def test_what_follows_a_step() -> None:
    found = Retrieved(context=payload(), passages=1, reranked=True)
    assert following_topic(found, "scripted") == "topic.reranking"
    assert following_topic(replace(found, reranked=False), "scripted") == PROMPTING
    assert following_topic(rendered(), "scripted") == INFERENCE
    assert following_topic(Released(), "scripted") == ""
