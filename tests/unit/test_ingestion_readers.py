"""What readers make of news that repeats, is lost, comes in another order, or comes too fast."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.token_log.protocol import Logged
from actors.token_log.token_log import TokenLog
from deployments.ingestion.reader import Reader
from deployments.ingestion.readers import Readers
from events.v1.tokens_pb2 import Chunk, Seal, Terminal
from pipelines.errors import TransientError
from pipelines.jobs import Status
from tests.factories import job_id, make_ports
from tests.ingestion_house import House
from tests.token_logs import TextComposer

WORDS = ["one", " two", " three", " four"]


def chunks() -> list[bytes]:
    composer = TextComposer(job_id())
    written = [Chunk(operations=[*composer.begin(), *composer.delta(word)]) for word in WORDS]
    return [chunk.SerializeToString() for chunk in written]


def seal() -> bytes:
    composer = TextComposer(job_id())
    composer.begin()
    for word in WORDS:
        composer.delta(word)
    end = composer.next_sequence - 1
    closing = composer.close(Status.CANCELLED)
    terminal = Terminal(sequence=composer.next_sequence, status="cancelled")
    return Seal(end=end, closing=closing, terminal=terminal).SerializeToString()


def reader(*, starting_after: int = -1, limit: int = 100) -> Reader:
    return Reader(job_id(), starting_after=starting_after, limit=limit)


def words(of: Reader) -> list[str]:
    found: list[str] = []
    while (frame := of.pop()) is not None and frame["type"] != "end":
        found.append(frame.get("text", ""))
    return found


def test_repeated_chunks_are_shown_once() -> None:
    first = reader()
    for news in (chunks()[:2], chunks()[:3], chunks()):
        assert first.take_log(Logged(news, None))
    assert words(first) == WORDS


def test_chunks_after_a_hole_are_refused_until_it_is_filled() -> None:
    first = reader()
    assert first.take_log(Logged(chunks()[:1], None))
    assert not first.take_log(Logged(chunks()[2:], seal()))
    assert first.take_log(Logged(chunks()[1:], seal()))
    assert words(first) == WORDS


def test_a_seal_beyond_what_was_seen_is_refused() -> None:
    first = reader()
    assert not first.take_log(Logged([], seal()))
    assert not first.sealed


def test_nothing_past_the_seal_is_shown() -> None:
    early = Seal(end=6, terminal=Terminal(sequence=7, status="cancelled")).SerializeToString()
    first = reader()
    assert first.take_log(Logged(chunks(), early))
    assert words(first) == WORDS[:2]


def test_a_reader_takes_no_more_than_may_wait() -> None:
    slow = reader(limit=2)
    assert slow.take_log(Logged(chunks(), seal()))
    assert (slow.behind, slow.sealed, slow.sequence) == (True, False, 6)
    assert words(slow) == WORDS[:2]


def test_the_end_waits_for_the_terminal_event() -> None:
    first = reader()
    first.take_log(Logged(chunks(), seal()))
    assert words(first) == WORDS
    assert first.pop() is None
    first.ended = True
    assert (first.pop() or {})["type"] == "end"


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


async def collect(readers: Readers, house: House, identifier: str) -> list[dict[str, Any]]:
    (job,) = await house.journal.jobs("default", [identifier])
    assert job is not None
    return [frame async for frame in readers.stream(job)]


async def test_a_slow_reader_misses_nothing(house: House) -> None:
    identifier = await house.post()
    job = await house.start()
    numbers = [f"{i} " for i in range(50)]
    await house.write(job, numbers)
    await house.complete(job)
    readers = Readers(journal=house.journal, token_log=house.token_log, ports=make_ports(), queue_limit=3)
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
    assert [frame["type"] for frame in frames] == ["event", "event", "end"]
    idle.cancel()


async def test_the_last_reader_leaves_nothing_behind(house: House) -> None:
    identifier = await house.run()
    await collect(house.service._readers, house, identifier)
    assert house.service._readers._by_job == {}
    assert house.service._readers._log._keys == {}
