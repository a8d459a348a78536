import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.dispatcher import Dispatcher
from actors.journal.disk import Disk
from actors.journal.effects import Effects
from actors.journal.journal import Journal
from actors.journal.limits import DEFAULT_LIMITS, Limits, TenantLimits
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Death, Worker
from actors.token_log import memory as token_memory
from actors.token_log.token_log import TokenLog
from actors.topics.in_process import InProcessTopic
from events.v1 import tokens_pb2
from pipelines.commands import Cancel
from pipelines.jobs import StepState
from tests.factories import INFERENCE, PROMPTING, claim, finish, job_id, make_ports, rendered, submit


class System:
    """A journal, a token log and a dispatcher on one disk, which outlives them."""

    def __init__(self) -> None:
        self.disk = Disk(uuid="one")
        self.token_disk = token_memory.Disk(uuid="two")
        self.deaths: dict[str, Death] = {}
        self.start()

    def start(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        dispatcher_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **changes: Any,
    ) -> None:
        ports = replace(make_ports(), sleep=dispatcher_sleep)
        self.journal = Journal(MemoryStore(self.disk), ports=replace(make_ports(), **changes), limits=limits)
        self.token_log = TokenLog(token_memory.MemoryTokenStore(self.token_disk), ports=make_ports())
        self.topics: dict[str, InProcessTopic] = {}
        self.dispatcher = Dispatcher(
            self.journal, self.token_log, open_topic=self.topic, death_of=self._death_of, ports=ports
        )
        self.dispatcher.start()

    def start_slow(self) -> asyncio.Event:
        """Again, with a disk that writes nothing before the event."""
        written = asyncio.Event()

        async def once_written(work: Callable[[], Any]) -> Any:
            await written.wait()
            return work()

        self.dispatcher.stop()
        self.start(run_blocking=lambda work: asyncio.ensure_future(once_written(work)))
        return written

    def topic(self, name: str) -> InProcessTopic:
        return self.topics.setdefault(name, InProcessTopic(name, size=10))

    async def register(self, name: str, slots: int = 10) -> None:
        await self.journal.register(Worker(id=name, topic=PROMPTING, slots=slots, handle=name))

    async def _death_of(self, handle: Any) -> Death | None:
        return self.deaths.get(handle)


@pytest.fixture
async def system() -> AsyncIterator[System]:
    system = System()
    yield system
    system.dispatcher.stop()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await check():
            await asyncio.sleep(0)


async def test_one_ticket_is_out_however_many_steps_are_ready(system: System) -> None:
    await system.register("w1")
    await system.journal.submit([submit(n) for n in range(50)])
    topic = system.topic(PROMPTING)
    assert await topic.take(5)
    assert not await topic.take(0.05)


async def test_a_claim_that_comes_while_the_submission_is_being_written_waits_for_it(system: System) -> None:
    written = system.start_slow()
    await system.register("w1")
    submitting = asyncio.ensure_future(system.journal.submit([submit()]))
    while not system.journal.counts.coming[PROMPTING]:
        await asyncio.sleep(0)
    claiming = asyncio.ensure_future(system.journal.claim(claim()))
    assert not submitting.done()
    written.set()
    assert [claimed.job_id for claimed in await claiming] == [job_id()]
    await submitting
    assert system.journal.counts.coming[PROMPTING] == 0


async def test_a_claim_that_leaves_work_brings_the_next_ticket(system: System) -> None:
    await system.register("w1")
    await system.journal.submit([submit(n) for n in range(3)])
    assert await system.topic(PROMPTING).take(5)
    await system.journal.claim(claim(slots=2))
    assert await system.topic(PROMPTING).take(5)


async def test_a_claim_without_a_ticket_brings_none(system: System) -> None:
    await system.register("w1")
    await system.journal.submit([submit(n) for n in range(5)])
    assert await system.topic(PROMPTING).take(5)
    await system.journal.claim(claim(slots=2))
    await system.journal.claim(claim(slots=2, claim_id="c2", ticket=False))
    assert await system.topic(PROMPTING).take(5)
    assert not await system.topic(PROMPTING).take(0.05)


async def test_a_worker_that_waits_for_the_step_needs_no_ticket(system: System) -> None:
    written = system.start_slow()
    await system.register("w1")
    submitting = asyncio.ensure_future(system.journal.submit([submit()]))
    claiming = asyncio.ensure_future(system.journal.claim(claim(ticket=False)))
    assert not await system.topic(PROMPTING).take(0.05)
    written.set()
    assert [claimed.job_id for claimed in await claiming] == [job_id()]
    await submitting
    assert not await system.topic(PROMPTING).take(0.05)


async def test_a_claim_without_a_ticket_and_for_nothing_is_not_written(system: System) -> None:
    await system.register("w1")
    system.dispatcher.stop()
    heard: list[Effects] = []
    system.journal.on_commit = heard.append
    assert await system.journal.claim(claim(ticket=False)) == []
    assert [effects.tickets for effects in heard] == [Counter()]  # the one that asks for a ticket
    assert await system.journal.claim(claim(claim_id="c2")) == []
    assert Counter({PROMPTING: 1}) in [effects.tickets for effects in heard]


async def test_each_worker_with_room_gets_a_ticket(system: System) -> None:
    for name in ("w1", "w2"):
        await system.register(name)
    await system.journal.submit([submit(n) for n in range(50)])
    assert all([await system.topic(PROMPTING).take(5) for _ in range(2)])
    assert not await system.topic(PROMPTING).take(0.05)


async def test_a_full_worker_gets_no_ticket(system: System) -> None:
    await system.register("w1", slots=1)
    await system.journal.submit([submit(n) for n in range(2)])
    assert await system.topic(PROMPTING).take(5)
    await system.journal.claim(claim(slots=1))
    assert not await system.topic(PROMPTING).take(0.05)


async def test_no_ticket_is_out_for_steps_of_a_tenant_that_may_have_no_more_in_work_until_one_has_ended(
    system: System,
) -> None:
    system.dispatcher.stop()
    system.start(limits=Limits(tenants={"*": TenantLimits(steps=1)}))
    await system.register("w1")
    await system.journal.submit([submit(n) for n in range(3)])
    topic = system.topic(PROMPTING)
    assert await topic.take(5)
    (claimed,) = await system.journal.claim(claim(slots=2))
    if await topic.take(0.05):  # at the most one, which finds out
        assert await system.journal.claim(claim(slots=2, claim_id="c2")) == []
    assert not await topic.take(0.05)
    await system.journal.finish([finish(claimed, rendered())])
    assert await topic.take(5)


async def test_a_worker_is_called_before_its_step_is_ready(system: System) -> None:
    await system.journal.register(Worker(id="engine", topic=INFERENCE, slots=1))
    await system.journal.submit([submit()])
    (rendering,) = await system.journal.claim(claim())
    assert await system.topic(INFERENCE).take(5)
    early = asyncio.ensure_future(system.journal.claim(claim(INFERENCE, worker="engine", claim_id="c2")))
    await asyncio.sleep(0)  # it has begun
    assert not early.done()
    await system.journal.finish([finish(rendering, rendered())])
    assert [job.job_id for job in await early] == [job_id()]


async def test_a_step_that_does_not_come_keeps_no_worker_waiting(system: System) -> None:
    await system.journal.submit([submit()])
    await system.journal.claim(claim())
    assert await system.journal.claim(claim(INFERENCE, worker="engine", claim_id="c2")) == []


async def test_a_lost_ticket_is_replaced_by_the_sweep(system: System) -> None:
    await system.register("w1")
    await system.journal.submit([submit()])
    assert await system.topic(PROMPTING).take(5)  # and its taker dies
    assert await system.topic(PROMPTING).take(20)


async def test_the_log_of_a_job_that_never_ran_is_sealed(system: System) -> None:
    await system.journal.submit([submit()])
    await system.journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    await eventually(lambda: _sealed(system))
    seal = tokens_pb2.Seal.FromString((await system.token_log.read(job_id(), -1)).seal or b"")
    assert seal.terminal.status == "cancelled"
    await eventually(lambda: _nothing_to_seal(system))


async def test_what_an_earlier_dispatcher_left_open_is_sealed(system: System) -> None:
    await system.journal.submit([submit()])
    system.dispatcher.stop()
    await system.journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    system.start()
    await eventually(lambda: _sealed(system))


@pytest.mark.parametrize(("death", "crashes"), [(Death.CRASH, 1), (Death.NODE, 0)])
async def test_the_claims_of_a_dead_worker_are_offered_again_and_blamed_unless_its_node_died(
    system: System, death: Death, crashes: int
) -> None:
    await system.register("w1")
    await system.journal.submit([submit()])
    await system.journal.claim(claim())
    system.deaths["w1"] = death
    await eventually(lambda: _ready(system))
    await eventually(lambda: _nobody_registered(system))
    (job,) = await system.journal.jobs("default", [job_id()])
    assert job is not None
    assert job.crashes == crashes


async def test_the_death_of_a_worker_that_holds_nothing_is_noticed_too(system: System) -> None:
    system.dispatcher.stop()
    system.start(dispatcher_sleep=lambda seconds: asyncio.sleep(seconds / 100))
    await system.register("w1")
    system.deaths["w1"] = Death.CRASH
    await eventually(lambda: _nobody_registered(system))


async def _sealed(system: System) -> bool:
    return (await system.token_log.read(job_id(), -1)).seal is not None


async def _nothing_to_seal(system: System) -> bool:
    return not await system.journal.unsealed(1)


async def _ready(system: System) -> bool:
    (job,) = await system.journal.jobs("default", [job_id()])
    return job is not None and job.step_state is StepState.READY


async def _nobody_registered(system: System) -> bool:
    return system.journal.workers.registered() == []


async def test_a_worker_that_is_called_gets_no_ticket_and_its_topic_is_not_made(system: System) -> None:
    await system.journal.register(Worker(id="w1", topic=PROMPTING, slots=1, called=True))
    await system.journal.register(Worker(id="engine", topic=INFERENCE, slots=1))
    await system.journal.submit([submit()])
    (rendering,) = await system.journal.claim(claim())
    await system.journal.finish([finish(rendering, rendered())])
    assert await system.topic(INFERENCE).take(5)
    assert list(system.topics) == [INFERENCE]
