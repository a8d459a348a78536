"""The sessions of ingestion, as the dispatcher watches them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.attendance import JOBS_PER_CHUNK, Attendance
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Death, Session
from actors.journal.sessions import GRACE_S, SILENCE_S, Sessions
from actors.supervision import supervise
from pipelines.jobs import Status
from tests.factories import ManualClock, job_id, make_ports, submit


class House:
    """A journal and its attendance, whose pauses are not waited for."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.dead: set[str] = set()
        ports = replace(make_ports(self.clock), sleep=lambda _: asyncio.sleep(0))
        self.journal = Journal(MemoryStore(Disk(uuid="one")), ports=ports)
        attendance = Attendance(self.journal, self.death_of, ports)
        turns = (attendance.watch, attendance.dismiss)
        self.tasks = [supervise(turn, name=turn.__name__, ports=ports) for turn in turns]

    async def death_of(self, handle: Any) -> Death | None:
        return Death.CRASH if handle in self.dead else None

    async def open(self, count: int) -> int:
        jobs = await self.journal.jobs("default", [job_id(number) for number in range(count)])
        return sum(job is not None and job.status is not Status.CANCELLED for job in jobs)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for task in house.tasks:
        task.cancel()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await check():
            await asyncio.sleep(0)


async def test_the_jobs_of_a_dead_process_are_cancelled_after_a_moment_for_its_clients(house: House) -> None:
    for name in ("a", "b"):
        await house.journal.session(Session(name, name))
    count = JOBS_PER_CHUNK + 1
    await house.journal.submit([submit(number, attached_to="a" if number else "b") for number in range(count)])
    house.dead.add("a")
    await eventually(lambda: lives(house, ["b"]))
    assert await house.open(count) == count
    house.clock.time += GRACE_S
    await eventually(lambda: left(house, count, 1))
    assert house.journal.sessions.over() == []


async def lives(house: House, names: list[str]) -> bool:
    return [session.id for session in house.journal.sessions.living()] == names


async def left(house: House, count: int, number: int) -> bool:
    return await house.open(count) == number and not house.journal.sessions.over()


def test_a_late_call_does_not_revive_what_has_ended() -> None:
    clock = ManualClock()
    sessions = Sessions(clock)
    sessions.see(Session("a"))
    sessions.end("a")
    clock.time += GRACE_S
    sessions.see(Session("a"))
    assert sessions.over() == ["a"]


def test_who_was_silent_may_come_back_within_the_moment() -> None:
    clock = ManualClock()
    sessions = Sessions(clock)
    sessions.see(Session("a"))
    clock.time += SILENCE_S + GRACE_S - 1
    sessions.see(Session("a"))
    clock.time += GRACE_S
    assert sessions.over() == []
