"""The wiring without topics in one process: real workers behind desks, and a driver that calls them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from actors.journal.journal import Journal
from actors.journal.protocol import NOWHERE, Heartbeat, Worker
from actors.puller import Handler, Lane, Puller
from actors.remote_shards import Cluster
from deployments.engines.scripted import ScriptedEngine
from deployments.serving_synchronous import only_shard
from deployments.synchronous.desk import Desk, DeskHandler, DeskJournal
from deployments.synchronous.driver import Driver, DriverJournal
from pipelines.commands import Cancel
from pipelines.errors import TransientError
from pipelines.jobs import Job, Status
from pipelines.payloads import Message, Request
from tests.factories import INFERENCE, PROMPTING, job_id, make_ports, submit
from tests.workers import Workshop

SLOTS = 4


class Heart:
    """Beats when the test says so."""

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        self.worker_id, self.take_in = worker_id, take_in

    async def beat(self, journal: Journal) -> None:
        self.take_in(await journal.heartbeat(self.worker_id, 0.0))

    def stop(self) -> None:
        pass


class Replica:
    """A worker behind a desk; `die` is its end without a farewell."""

    def __init__(self, name: str, topic: str, journal: Journal, make: Callable[[], Handler], shop: Workshop) -> None:
        self.name = name
        self.heart = Heart()
        self._journal = journal
        self._desk = Desk()
        self._calls: set[asyncio.Future[str]] = set()
        shop.journal = cast("Journal", DeskJournal(journal, self._desk))
        self.handler = make()
        shop.journal = journal
        at_desk = DeskHandler(self.handler, self._desk, [topic])
        self._puller = Puller(
            Worker(id=name, topic=topic, slots=SLOTS, called=True),
            at_desk,
            journal=DeskJournal(journal, self._desk),
            lanes=[Lane(self._desk.topic(topic), at_desk)],
            heart=self.heart,
            ports=make_ports(),
        )

    async def start(self) -> None:
        await self._puller.start()

    async def stop(self) -> None:
        await self._puller.stop()

    async def work(self, topic: str) -> str:
        call = asyncio.ensure_future(self._desk.work(topic))
        self._calls.add(call)
        try:
            return await call
        except asyncio.CancelledError:
            raise TransientError(f"{self.name} is gone") from None
        finally:
            self._calls.discard(call)

    async def die(self) -> None:
        for claim in self.handler.held():
            self.handler.revoke(claim.job_id, claim.fence)  # its tasks end with its process
        for loop in self._puller._loops:
            loop.cancel()
        for call in self._calls:
            call.cancel()
        await self._journal.orphan(self.name, crashed=True)


class Chain:
    """A journal, a replica of each service, and a driver."""

    def __init__(self, folder: Path) -> None:
        self.tokens_may = asyncio.Event()  # where their script has a delay
        self.shop = Workshop(folder, slots=SLOTS)
        self.journal = self.shop.journal
        self.prompting = Replica(
            "prompting", PROMPTING, self.journal, lambda: self.shop.make_prompting(folder), self.shop
        )
        self.inference = self.make_inference("engine one")
        self.driver = Driver({PROMPTING: self.prompting, INFERENCE: self}, journal=self.journal, ports=make_ports())

    def make_inference(self, name: str) -> Replica:
        engine = ScriptedEngine(sleep=self._sleep)
        return Replica(name, INFERENCE, self.journal, lambda: self.shop.make_worker(engine), self.shop)

    async def _sleep(self, _: float) -> None:
        await self.tokens_may.wait()

    async def work(self, topic: str) -> str:
        """As Serve does: by whichever replica is there."""
        return await self.inference.work(topic)

    async def submit(self, jobs: int, script: str) -> None:
        request = Request(
            model="scripted", messages=[Message(role="user", content="Hi")], metadata={"scripted": script}
        )
        payloads = await self.shop.blobs.pack_many([("default", request.encode())] * jobs)
        await DriverJournal(self.journal, self.driver).submit(
            [submit(number, request=payload) for number, payload in enumerate(payloads)]
        )

    async def until(self, check: Callable[[list[Job]], bool], jobs: int) -> list[Job]:
        async with asyncio.timeout(20):
            while True:
                found = [job for job in await self.journal.jobs("default", [job_id(n) for n in range(jobs)]) if job]
                if check(found):
                    return found
                await asyncio.sleep(0)


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    chain = Chain(tmp_path)
    await chain.prompting.start()
    await chain.inference.start()
    chain.driver.start()
    yield chain
    chain.driver.stop()
    await chain.prompting.stop()
    await chain.inference.stop()


def all_are(status: Status) -> Callable[[list[Job]], bool]:
    return lambda jobs: all(job.status is status for job in jobs)


def as_many_run_as_can(jobs: list[Job]) -> bool:
    return sum(job.status is Status.IN_PROGRESS for job in jobs) == SLOTS


async def test_jobs_go_through_real_workers_each_once(chain: Chain) -> None:
    await chain.submit(12, '{"text": "Hello."}')
    jobs = await chain.until(all_are(Status.COMPLETED), 12)
    assert [job.fence for job in jobs] == [2] * 12
    assert {(await chain.shop.result(n)).finish_reason for n in range(12)} == {"stop"}


async def test_no_step_is_claimed_beyond_the_room_of_the_service(chain: Chain) -> None:
    await chain.submit(12, '{"tokens": 4, "delay_ms": 1}')
    await chain.until(as_many_run_as_can, 12)
    await chain.until(lambda _: chain.journal.counts.ready[INFERENCE] == 12 - SLOTS, 12)
    chain.tokens_may.set()
    await chain.until(all_are(Status.COMPLETED), 12)


async def test_a_cancel_frees_its_slot(chain: Chain) -> None:
    await chain.submit(SLOTS, '{"tokens": 4, "delay_ms": 1}')
    await chain.until(as_many_run_as_can, SLOTS)
    await chain.journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    await chain.inference.heart.beat(chain.journal)
    assert chain.inference.handler.free_slots() == 1
    chain.tokens_may.set()
    jobs = await chain.until(lambda jobs: all(job.status.terminal for job in jobs), SLOTS)
    assert [job.status for job in jobs] == ["cancelled", *["completed"] * (SLOTS - 1)]


async def test_what_a_dead_replica_was_called_for_is_done_by_another(chain: Chain) -> None:
    await chain.submit(12, '{"tokens": 4, "delay_ms": 1}')
    await chain.until(as_many_run_as_can, 12)
    await chain.inference.die()
    chain.inference = chain.make_inference("engine two")
    await chain.inference.start()
    chain.tokens_may.set()
    chain.driver.look()
    jobs = await chain.until(all_are(Status.COMPLETED), 12)
    assert sorted(job.fence for job in jobs) == [2] * (12 - SLOTS) + [3] * SLOTS


def test_without_topics_there_is_one_shard() -> None:
    one, two = Cluster(1, NOWHERE, make_ports()), Cluster(2, NOWHERE, make_ports())
    assert only_shard(one) is one.shards[0]
    with pytest.raises(ValueError, match="shards: 1"):
        only_shard(two)
