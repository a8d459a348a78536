"""What readers see whose log fails, forgets, or is ahead of them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from actors.token_log.protocol import Logged
from actors.token_log.token_log import TokenLog
from deployments.history.stream_events import StreamFrame
from deployments.ingestion.feed import Frame
from deployments.ingestion.readers import Readers
from deployments.ingestion.windows import Windows
from pipelines.errors import TransientError
from tests.factories import make_ports
from tests.ingestion_house import House


class Flaky(TokenLog):
    """Forgets its sessions with every failure, as a restarted actor does; fails while `failures` last."""

    failures = 0

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, Logged]:
        if self.failures:
            self.failures -= 1
            self._followers = type(self._followers)(make_ports().clock)
            raise TransientError("restarted")
        return await super().follow(session, add, remove, wait_s)


async def collect(readers: Readers, house: House, identifier: str) -> list[Frame]:
    subject = await house.service.subject(identifier)
    return [frame async for frame in readers.stream(subject)]


def readers_of(house: House, *, windows: Windows | None = None) -> Readers:
    """Another process."""
    return Readers(
        journal=house.journal,
        token_log=house.token_log,
        history=house.service.history,
        blobs=house.blobs,
        ports=make_ports(),
        windows=windows,
    )


async def test_a_reader_behind_its_feed_misses_nothing(house: House) -> None:
    identifier = await house.post()
    job = await house.start()
    numbers = [f"{i} " for i in range(50)]
    for number in numbers:
        await house.write(job, [number])
    await house.complete(job)
    readers = readers_of(house, windows=Windows(feed_bytes=100))
    frames = await asyncio.wait_for(collect(readers, house, identifier), 10)
    await readers.close()
    assert [frame["text"] for frame in frames if frame["type"] == "token"] == numbers
    assert len([frame for frame in frames if frame["type"] == "event"]) == 5
    assert frames[-1]["type"] == "end"


async def test_a_restarted_log_costs_a_reader_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, token_log=Flaky)
    assert isinstance(house.token_log, Flaky)
    identifier = await house.post()
    job = await house.start()
    stream = house.service.stream(identifier)
    await house.write(job, ["Hello"])
    while (await anext(stream))["type"] != "token":
        pass
    house.token_log.failures = 2
    await house.write(job, [" there"])
    await house.complete(job)
    await house.seal()
    rest = [frame async for frame in stream]
    await house.close()
    assert [frame["text"] for frame in rest if frame["type"] == "token"] == [" there"]
    assert rest[-1]["type"] == "end"


async def test_a_poll_under_way_does_not_keep_a_new_reader_waiting(house: House) -> None:
    first = house.service.stream(await house.post())
    await anext(first)
    idle = asyncio.ensure_future(anext(first))
    done = await house.post()
    await house.service.cancel(done)
    frames = await asyncio.wait_for(collect(house.service._readers, house, done), 2)
    assert [frame["type"] for frame in frames] == ["event", "event", "event", "end"]
    idle.cancel()


async def test_the_last_reader_leaves_nothing_behind(house: House) -> None:
    identifier = await house.run()
    await collect(house.service._readers, house, identifier)
    assert len(house.service._readers._feeds) == 0
    assert house.service._readers._feeds._logs[0]._keys == {}


async def test_a_stream_whose_log_flows_asks_for_none_of_the_journals_events(house: House) -> None:
    identifier = await house.post()
    job = await house.start()
    batches = house.service.event_batches(await house.service.subject(identifier))
    await house.write(job, ["Hello"])
    await house.complete(job)
    await house.seal()
    frames = await _all(batches)
    assert frames[-1].type == "response.completed"
    assert house.service._readers._feeds._events[0]._tasks == []


async def test_a_stream_that_nobody_seals_ends_all_the_same(house: House) -> None:
    identifier = await house.post()
    job = await house.start()
    await house.write(job, ["Hello"])
    await house.complete(job)  # and whoever should seal its log has died
    batches = house.service.event_batches(await house.service.subject(identifier))
    frames = await asyncio.wait_for(_all(batches), 20)
    assert frames[-1].type == "response.completed"
    assert house.service._readers._feeds._events[0]._tasks


async def _all(batches: AsyncGenerator[list[StreamFrame]]) -> list[StreamFrame]:
    return [frame async for batch in batches for frame in batch]
