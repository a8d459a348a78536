import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Depth, JournalApi
from deployments.synchronous.desk import Desk
from deployments.synchronous.driver import Driver, DriverJournal
from deployments.synchronous.http import HttpService, create_work_app
from pipelines.commands import Cancel
from pipelines.errors import TransientError
from pipelines.outcomes import following_topic
from tests.factories import INFERENCE, PROMPTING, claim, finish, generated, job_id, make_ports, rendered, submit


class Service:
    """Does the steps of a topic on its own, when it may."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._claims = 0
        self.calls = 0  # under way
        self.most_calls = 0
        self.done: asyncio.Queue[str] = asyncio.Queue()  # the jobs
        self.may = asyncio.Event()
        self.may.set()
        self.broken = False

    async def work(self, topic: str) -> str:
        with self._counted():
            await self.may.wait()
            if self.broken:
                self.done.put_nowait("broken")
                raise TransientError("broken")
            self._claims += 1
            claims = await self._journal.claim(claim(topic, slots=1, claim_id=f"{topic}.{self._claims}"))
            outcome = rendered() if topic == PROMPTING else generated()
            for each in claims:
                await self._journal.finish([finish(each, outcome)])
                self.done.put_nowait(each.job_id)
            return following_topic(outcome, "scripted") if claims else ""

    async def jobs(self, number: int) -> list[str]:
        async with asyncio.timeout(10):
            return sorted([await self.done.get() for _ in range(number)])

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.calls += 1
        self.most_calls = max(self.calls, self.most_calls)
        try:
            yield
        finally:
            self.calls -= 1


class SilentJournal(Journal):
    """Does not say what is ready until it may."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.may_tell = asyncio.Event()

    async def depth(self) -> dict[str, Depth]:
        await self.may_tell.wait()
        return await super().depth()


class House:
    """A journal, two services, and a driver, which may be another's."""

    def __init__(self, journal: type[Journal] = Journal) -> None:
        self.journal = journal(MemoryStore(Disk(uuid="one")), ports=make_ports())
        self.prompting, self.inference = Service(self.journal), Service(self.journal)
        self.driver = self.make_driver()

    def make_driver(self) -> Driver:
        services = {PROMPTING: self.prompting, INFERENCE: self.inference}
        return Driver(services, journal=self.journal, ports=make_ports(), most=4)

    def seen_by_ingestion(self) -> JournalApi:
        return DriverJournal(self.journal, self.driver)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    house.driver.stop()


@pytest.fixture
async def silent() -> AsyncIterator[House]:
    """Where the sweep finds nothing."""
    house = House(SilentJournal)
    yield house
    house.driver.stop()


async def test_a_job_goes_from_service_to_service_to_its_end(silent: House) -> None:
    house = silent
    house.driver.start()
    await house.seen_by_ingestion().submit([submit(n) for n in range(20)])
    assert await house.inference.jobs(20) == [job_id(n) for n in range(20)]
    jobs = await house.journal.jobs("default", [job_id(n) for n in range(20)])
    assert [(job.status, job.fence) for job in jobs if job] == [("completed", 2)] * 20


async def test_no_more_calls_are_under_way_than_are_allowed_and_the_others_follow(silent: House) -> None:
    house = silent
    house.inference.may.clear()
    house.driver.start()
    await house.seen_by_ingestion().submit([submit(n) for n in range(20)])
    await house.prompting.jobs(20)
    house.inference.may.set()
    await house.inference.jobs(20)
    assert house.prompting.most_calls == house.inference.most_calls == 4


async def test_jobs_whose_driver_has_gone_are_picked_up_by_the_next(house: House) -> None:
    house.inference.may.clear()
    house.driver.start()
    await house.seen_by_ingestion().submit([submit(n) for n in range(6)])
    await house.prompting.jobs(6)
    house.driver.stop()
    house.inference.may.set()
    await house.inference.jobs(house.inference.calls)  # what was called for goes on to its end
    house.driver = house.make_driver()
    house.driver.start()
    async with asyncio.timeout(10):
        while not all(
            job and job.status.terminal for job in await house.journal.jobs("default", list(map(job_id, range(6))))
        ):
            await asyncio.sleep(0)
    assert house.journal.counts.ready.total() == 0


async def test_jobs_that_others_have_submitted_are_found(house: House) -> None:
    house.driver.start()
    await house.journal.submit([submit(n) for n in range(3)])
    house.driver.look()
    assert await house.inference.jobs(3) == [job_id(n) for n in range(3)]


async def test_a_service_that_fails_is_called_again_by_the_sweep_and_not_at_once(silent: House) -> None:
    house = silent
    house.prompting.broken = True
    house.prompting.may.clear()
    house.driver.start()
    await house.seen_by_ingestion().submit([submit(n) for n in range(20)])
    house.prompting.may.set()
    assert await house.prompting.jobs(4) == ["broken"] * 4
    for _ in range(50):
        await asyncio.sleep(0)
    assert house.prompting.done.empty()
    house.prompting.broken = False
    assert isinstance(house.journal, SilentJournal)
    house.journal.may_tell.set()
    assert await house.inference.jobs(20) == [job_id(n) for n in range(20)]


async def test_a_job_that_is_cancelled_between_two_steps_is_called_for_in_vain(house: House) -> None:
    house.inference.may.clear()
    house.driver.start()
    journal = house.seen_by_ingestion()
    await journal.submit([submit(0), submit(1)])
    await house.prompting.jobs(2)
    await journal.cancel([Cancel(job_id=job_id(0), tenant="default")])
    house.inference.may.set()
    assert await house.inference.jobs(1) == [job_id(1)]


async def test_a_topic_without_a_service_is_nobodys_concern(house: House) -> None:
    house.driver.start()
    house.driver.due("topic.indexing")
    await house.seen_by_ingestion().submit([submit()])
    assert await house.inference.jobs(1) == [job_id()]


async def test_a_service_over_http_answers_as_one_by_handle(house: House) -> None:
    transport = httpx.ASGITransport(create_work_app(house.prompting.work))
    service = HttpService("http://prompting.test/", transport)
    await house.journal.submit([submit()])
    assert await service.work(PROMPTING) == INFERENCE
    assert await service.work(PROMPTING) == ""


async def test_a_fault_of_a_service_over_http_is_a_passing_one(house: House) -> None:
    house.prompting.broken = True
    service = HttpService("http://prompting.test", httpx.ASGITransport(create_work_app(house.prompting.work)))
    with pytest.raises(TransientError, match="503"):
        await service.work(PROMPTING)


async def test_the_route_refuses_what_it_does_not_know() -> None:
    transport = httpx.ASGITransport(create_work_app(Desk().work))
    async with httpx.AsyncClient(transport=transport, base_url="http://prompting.test") as client:
        unknown = await client.post("/work", json={"topic": "topic.nobody"})
        empty = await client.post("/work", json={})
    assert unknown.status_code == 400
    assert unknown.json()["error"]["param"] == "topic"
    assert empty.json()["error"]["code"] == "missing_required_parameter"
