"""The writer against a token log whose answers a test can hold back."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.token_log.memory import Disk, MemoryTokenStore
from actors.token_log.protocol import Append, AppendVerdict, SealRequest
from actors.token_log.token_log import TokenLog
from actors.token_log.writer import AppendError, TokenLogWriter
from events.v1.tokens_pb2 import Chunk
from pipelines.errors import StaleFenceError
from pipelines.jobs import Status
from pipelines.operations import replay
from tests.factories import job_id, make_ports
from tests.token_logs import TextComposer, shown


class HeldLog(TokenLog):
    """A real log; `gate` holds back its answers, `failures` calls fail after their commit."""

    def __init__(self) -> None:
        super().__init__(MemoryTokenStore(Disk(uuid="store-1")), ports=make_ports())
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()
        self.calls: list[list[Append]] = []
        self.failures = 0

    async def append(self, batch: Sequence[Append]) -> list[AppendVerdict]:
        self.calls.append(list(batch))
        self.called.set()
        await self.gate.wait()
        verdicts = await super().append(batch)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the reply is lost")
        return verdicts


class Desk:
    """A writer, its log, and one composer per job."""

    def __init__(self) -> None:
        self.log = HeldLog()
        self.refused: list[tuple[str, int]] = []
        ports = replace(make_ports(), sleep=lambda _: asyncio.sleep(0))
        self.writer = TokenLogWriter(
            self.log, ports=ports, on_refused=lambda job, fence: self.refused.append((job, fence))
        )
        self.composers: dict[int, TextComposer] = {}

    def write(self, text: str, number: int = 0, *, fence: int = 1) -> None:
        composer = self.composers.setdefault(number, TextComposer(job_id(number)))
        operations = composer.begin() + composer.delta(text)
        self.writer.write(job_id(number), fence, operations, [len(text)])

    async def text(self, number: int = 0) -> str:
        return shown(await self.log.read(job_id(number), -1))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_flush_returns_when_all_is_on_disk(desk: Desk) -> None:
    for text in "abc":
        desk.write(text)
    await desk.writer.flush(job_id())
    assert await desk.text() == "abc"


async def test_the_first_goes_at_once_and_the_rest_in_one_append(desk: Desk) -> None:
    desk.log.gate.clear()
    desk.write("a")
    await desk.log.called.wait()
    for text in "bcd":
        desk.write(text)
    desk.write("x", 1)
    desk.log.gate.set()
    await desk.writer.flush(job_id())
    assert [len(call) for call in desk.log.calls] == [1, 2]
    assert (await desk.text(), await desk.text(1)) == ("abcd", "x")


async def test_all_jobs_of_a_moment_share_one_append(desk: Desk) -> None:
    for number in range(8):
        desk.write("a", number)
    await desk.writer.flush(job_id(7))
    assert [len(call) for call in desk.log.calls] == [8]


async def test_what_a_chunk_says_is_kept_when_chunks_are_joined(desk: Desk) -> None:
    composer = TextComposer(job_id())
    desk.writer.write(job_id(), 1, composer.begin(), [], engine_fingerprint="engine")
    desk.writer.write(job_id(), 1, composer.delta("a"), [7])
    desk.writer.write(job_id(), 1, composer.close(Status.COMPLETED), [8, 9], finish_reason="stop")
    await desk.writer.flush(job_id())
    state = replay((await desk.log.read(job_id(), -1)).chunks)
    assert (state.engine_fingerprint, state.token_ids, state.finish_reason) == ("engine", (7, 8, 9), "stop")
    assert state.next_sequence == composer.next_sequence


async def test_token_ids_without_an_operation_wait_for_the_next_one(desk: Desk) -> None:
    desk.writer.write(job_id(), 1, [], [1])
    await desk.writer.flush(job_id())
    assert desk.log.calls == []
    desk.write("ab")
    await desk.writer.flush(job_id())
    assert list(Chunk.FromString(desk.log.calls[0][0].chunk).token_ids) == [1, 2]


async def test_a_lost_reply_is_asked_for_again_and_nothing_is_doubled(desk: Desk) -> None:
    desk.log.failures = 3
    desk.write("a")
    await desk.writer.flush(job_id())
    desk.write("b")
    await desk.writer.flush(job_id())
    assert len(desk.log.calls) == 5
    assert await desk.text() == "ab"


async def test_a_refusal_is_told_once_and_ends_the_line(desk: Desk) -> None:
    await desk.log.open([(job_id(), 2)])
    desk.write("a")
    with pytest.raises(StaleFenceError):
        await desk.writer.flush(job_id())
    with pytest.raises(StaleFenceError):
        desk.write("b")
    await asyncio.sleep(0)
    assert desk.refused == [(job_id(), 1)]
    assert len(desk.log.calls) == 1


async def test_what_waited_behind_a_refused_append_is_dropped(desk: Desk) -> None:
    await desk.log.open([(job_id(), 2)])
    desk.log.gate.clear()
    desk.write("a")
    await desk.log.called.wait()
    desk.write("b")
    desk.write("x", 1)
    desk.log.gate.set()
    await desk.writer.flush(job_id(1))
    assert [append.job_id for call in desk.log.calls for append in call] == [job_id(), job_id(1)]


async def test_a_job_forgotten_while_the_log_fails_is_not_tried_again(desk: Desk) -> None:
    desk.log.failures = 1
    desk.log.gate.clear()
    desk.write("a")
    desk.write("x", 1)
    await desk.log.called.wait()
    desk.writer.forget(job_id())
    desk.log.gate.set()
    await desk.writer.flush(job_id(1))
    assert [[append.job_id for append in call] for call in desk.log.calls] == [[job_id(), job_id(1)], [job_id(1)]]


async def test_a_sealed_log_refuses_too(desk: Desk) -> None:
    await desk.log.seal([SealRequest(job_id=job_id(), status=Status.CANCELLED)])
    desk.write("a")
    with pytest.raises(StaleFenceError):
        await desk.writer.flush(job_id())


async def test_one_refused_job_does_not_hold_up_the_others(desk: Desk) -> None:
    await desk.log.open([(job_id(0), 2)])
    desk.write("a", 0)
    desk.write("b", 1)
    await desk.writer.flush(job_id(1))
    assert (await desk.text(0), await desk.text(1)) == ("", "b")


async def test_a_chunk_that_does_not_fit_the_log_fails_the_attempt(desk: Desk) -> None:
    composer = TextComposer(job_id())
    composer.begin()
    desk.writer.write(job_id(), 1, composer.delta("a"), [1])
    with pytest.raises(AppendError, match="gap"):
        await desk.writer.flush(job_id())
    assert desk.refused == []


async def test_numbers_with_a_gap_are_not_taken(desk: Desk) -> None:
    composer = TextComposer(job_id())
    desk.writer.write(job_id(), 1, composer.begin(), [])
    composer.delta("lost")
    with pytest.raises(ValueError, match="6 where 5 is next"):
        desk.writer.write(job_id(), 1, composer.delta("a"), [1])


async def test_a_forgotten_job_is_not_appended_again(desk: Desk) -> None:
    desk.log.gate.clear()
    desk.write("a")
    await desk.log.called.wait()
    desk.write("b")
    desk.write("x", 1)
    desk.writer.forget(job_id())
    desk.log.gate.set()
    await desk.writer.flush(job_id(1))
    assert (await desk.text(), await desk.text(1)) == ("a", "x")
    assert (list(desk.writer._lines), desk.writer._waiting) == ([job_id(1)], {})


async def test_a_flush_of_a_forgotten_job_ends(desk: Desk) -> None:
    desk.log.gate.clear()
    desk.write("a")
    flushed = asyncio.create_task(desk.writer.flush(job_id()))
    await desk.log.called.wait()
    desk.writer.forget(job_id())
    with pytest.raises(StaleFenceError):
        await flushed
    desk.log.gate.set()


async def test_a_flush_that_was_cancelled_does_not_stop_the_writer(desk: Desk) -> None:
    desk.log.gate.clear()
    desk.write("a")
    flushed = asyncio.create_task(desk.writer.flush(job_id()))
    await desk.log.called.wait()
    flushed.cancel()
    desk.log.gate.set()
    desk.write("b")
    await desk.writer.flush(job_id())
    assert await desk.text() == "ab"


async def test_a_newer_claim_of_the_same_job_takes_over(desk: Desk) -> None:
    desk.write("a")
    await desk.writer.flush(job_id())
    desk.write("b", fence=2)
    await desk.writer.flush(job_id())
    with pytest.raises(StaleFenceError):
        desk.writer.write(job_id(), 1, [], [1])
    assert await desk.text() == "ab"
