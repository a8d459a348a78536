"""The dispatcher's slow loops: what is kept no longer goes, in the journal, in the token log and on the disk."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actors.blobs import Blobs, unlink_blobs
from actors.dispatcher import Dispatcher
from actors.housekeeping import DAY_S, JOBS_PER_CHUNK, Housekeeping
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.limits import Limits
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Places
from actors.journal.retention import Retention
from actors.objects import Objects
from actors.stores import StoreUnavailableError
from actors.token_log import memory as token_memory
from actors.token_log.token_log import TokenLog
from actors.topics.in_process import InProcessTopic
from pipelines.commands import INLINE_BYTES, Cancel
from pipelines.edits import CompleteFile, DeleteFile, ReserveFile
from tests.factories import ManualClock, job_id, make_ports, submit

AGE_S = 1000.0
LARGE = b"x" * (INLINE_BYTES + 1)


class House:
    """A journal with a housekeeping whose pauses are written down and not waited for."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.pauses: list[float] = []
        self.ports = replace(make_ports(self.clock), sleep=self.pause)
        self.journal = Journal(
            MemoryStore(Disk(uuid="one")),
            ports=self.ports,
            places=Places(str(folder), str(folder / "files")),
            limits=Limits(retention=Retention(AGE_S)),
        )
        self.token_disk = token_memory.Disk(uuid="two")
        self.token_log = Flaky(token_memory.MemoryTokenStore(self.token_disk), ports=self.ports)
        self.blobs = Blobs(self.journal, folder, self.ports.clock)
        self.housekeeping = Housekeeping(self.journal, self.token_log, self.ports)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def end(self, *numbers: int, data: bytes = b"{}") -> None:
        payloads = await self.blobs.pack_many([("default", data) for _ in numbers])
        await self.journal.submit([submit(n, request=payload) for n, payload in zip(numbers, payloads, strict=True)])
        await self.journal.cancel([Cancel(job_id=job_id(n), tenant="default") for n in numbers])
        jobs = [job for job in await self.journal.unsealed(10_000) if job.id in set(map(job_id, numbers))]
        await self.token_log.open([(job.id, 1) for job in jobs])
        await self.journal.mark_sealed([job.id for job in jobs])

    async def grow_old(self) -> None:
        """Let the jobs' time pass, and prune them."""
        self.clock.time += AGE_S
        await self.housekeeping.prune()


class Flaky(TokenLog):
    """A token log that does not answer while it is down."""

    down = False

    async def forget(self, job_ids: object) -> None:
        if self.down:
            raise StoreUnavailableError("down")
        await super().forget(job_ids)  # type: ignore[arg-type]  # handed on


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def age(path: Path, house: House) -> None:
    """Make the file one that was touched a day ago, by the house's clock."""
    long_ago = house.clock.time - DAY_S - 1
    os.utime(path, (long_ago, long_ago))


async def test_the_logs_of_jobs_that_went_are_forgotten(house: House) -> None:
    await house.end(0, 1)
    assert len(house.token_disk.logs) == 2
    await house.grow_old()
    await house.housekeeping.run_errands()
    assert house.token_disk.logs == {}
    assert await house.journal.errands(10) == []


async def test_an_errand_that_fails_is_run_again(house: House) -> None:
    await house.end(0)
    await house.grow_old()
    house.token_log.down = True
    with pytest.raises(StoreUnavailableError):
        await house.housekeeping.run_errands()
    house.token_log.down = False
    await house.housekeeping.run_errands()
    assert house.token_disk.logs == {}


async def test_the_file_of_a_large_payload_goes_with_the_last_job(house: House, tmp_path: Path) -> None:
    await house.end(0, 1, data=LARGE)
    (file,) = files(tmp_path)
    await house.grow_old()
    age(file, house)
    await house.housekeeping.run_errands()
    assert files(tmp_path) == []


async def test_a_file_that_was_touched_within_a_day_is_left_for_later(house: House, tmp_path: Path) -> None:
    await house.end(0, data=LARGE)
    await house.grow_old()
    (file,) = files(tmp_path)
    os.utime(file, (house.clock.time, house.clock.time))
    await house.housekeeping.run_errands()
    assert files(tmp_path) == [file]
    house.clock.time += DAY_S + 1
    await house.housekeeping.run_errands()
    assert files(tmp_path) == []


async def test_a_file_to_which_a_job_refers_again_stays(house: House, tmp_path: Path) -> None:
    await house.end(0, data=LARGE)
    await house.grow_old()
    await house.end(1, data=LARGE)
    (file,) = files(tmp_path)
    age(file, house)
    await house.housekeeping.run_errands()
    assert files(tmp_path) == [file]
    assert await house.journal.errands(10) == []


async def test_a_file_that_a_crash_left_aside_goes_or_comes_back(house: House, tmp_path: Path) -> None:
    (payload,) = await house.blobs.pack_many([("default", LARGE)])
    (file,) = files(tmp_path)
    now = file.stat().st_mtime
    for since, comes_back in ((now - 1, True), (now + 1, False)):
        file.rename(file.with_name(f".{file.name}.aside"))
        gone = await unlink_blobs(tmp_path, [("default", payload.reference.hash)], untouched_since=since)
        assert (gone, files(tmp_path)) == ([not comes_back], [file] if comes_back else [])


async def stored(house: House, folder: Path, file: str) -> Objects:
    """A client's file with its content, and the storage of these."""
    objects, names = Objects(str(folder / "files")), {"file": file, "tenant": "default"}
    await house.journal.edit([ReserveFile(**names, filename="f", purpose="vision")])
    await objects.put("default", file, pieces())
    await house.journal.edit([CompleteFile(file=file, tenant="default", size=3)])
    return objects


async def pieces() -> AsyncIterator[bytes]:
    yield b"abc"


async def test_the_content_of_a_deleted_file_is_removed(house: House, tmp_path: Path) -> None:
    for file in ("file-1", "file-2"):
        await stored(house, tmp_path, file)
    await house.journal.edit([DeleteFile(file="file-1", tenant="default")])
    await house.housekeeping.run_errands()
    assert [path.name for path in files(tmp_path / "files")] == ["file-2"]
    assert await house.journal.errands(10) == []


async def test_a_content_that_cannot_be_removed_is_tried_again_tomorrow(house: House, tmp_path: Path) -> None:
    await stored(house, tmp_path, "file-1")
    await house.journal.edit([DeleteFile(file="file-1", tenant="default")])
    (tmp_path / "files").rename(tmp_path / "elsewhere")
    (tmp_path / "files").touch()
    await house.housekeeping.run_errands()
    (tmp_path / "files").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "files")
    house.clock.time += DAY_S
    await house.housekeeping.run_errands()
    assert files(tmp_path / "files") == []


async def test_the_pause_after_a_chunk_grows_with_what_the_chunk_took(house: House) -> None:
    await house.end(*range(JOBS_PER_CHUNK + 1))
    house.clock.time += AGE_S
    slow = replace(house.ports, clock=Ticking(house.clock.time))
    housekeeping = Housekeeping(house.journal, house.token_log, slow)
    await housekeeping.prune()
    await housekeeping.prune()
    assert house.pauses[0] > 1.0  # a second per look at the clock
    assert len(await house.journal.errands(1000)) == JOBS_PER_CHUNK + 1


class Ticking(ManualClock):
    """A clock that goes on with each look."""

    def __init__(self, time: float) -> None:
        super().__init__()
        self.time = time

    def monotonic(self) -> float:
        self.time += 1.0
        return self.time


@pytest.fixture
async def dispatcher(house: House) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(
        house.journal,
        house.token_log,
        open_topic=lambda _: InProcessTopic("topic", size=10),
        death_of=lives,
        ports=house.ports,
    )
    yield dispatcher
    dispatcher.stop()


async def lives(_: object) -> None:
    """No worker dies."""


async def test_the_dispatcher_removes_all_that_is_too_old_by_itself(house: House, dispatcher: Dispatcher) -> None:
    await house.end(*range(2 * JOBS_PER_CHUNK + 1))
    house.clock.time += AGE_S
    dispatcher.start()
    await eventually(lambda: is_empty(house))


async def is_empty(house: House) -> bool:
    await asyncio.sleep(0)
    return not house.token_disk.logs and not await house.journal.errands(1)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await check():
            await asyncio.sleep(0)
