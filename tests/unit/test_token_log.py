"""The token log as its callers meet it: group commit, and readers that follow."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.stores import StoreUnavailableError
from actors.telemetry.metrics import RecordedMetrics
from actors.token_log.memory import Disk, MemoryTokenStore, MemoryTransaction
from actors.token_log.protocol import Append, AppendVerdict, Logged, SealRequest
from actors.token_log.sqlite import SqliteTokenStore
from actors.token_log.token_log import ANSWER_BYTES, KNOWN_HEADS, TokenLog
from pipelines.jobs import Status
from tests.factories import job_id, make_ports
from tests.token_logs import appends, numbers, seal_in, shown

DONE = AppendVerdict.DONE
READER, SOON = "session-1", 5.0


@pytest.fixture
def metrics() -> RecordedMetrics:
    return RecordedMetrics()


@pytest.fixture
def token_log(metrics: RecordedMetrics) -> TokenLog:
    return TokenLog(MemoryTokenStore(Disk(uuid="store-1")), ports=replace(make_ports(), metrics=metrics))


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[TokenLog]:
    token_log = TokenLog(SqliteTokenStore(tmp_path / "tokens-0.sqlite", new_uuid="store-1"), ports=make_ports())
    yield token_log
    token_log.close()


def seal(status: Status = Status.COMPLETED, *, end: int | None = None) -> SealRequest:
    return SealRequest(job_id=job_id(), status=status, end=end)


class Failing(MemoryTokenStore):
    """A store whose commits can fail."""

    fails = False

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with super().transaction() as transaction:
            yield transaction
            if self.fails:
                raise StoreUnavailableError("the disk is full", retry_after_s=1.0)


def append_soon(token_log: TokenLog, *batch: Append) -> asyncio.Task[Any]:
    return asyncio.create_task(token_log.append(batch))


async def test_callers_that_wait_share_a_commit(token_log: TokenLog, metrics: RecordedMetrics) -> None:
    await asyncio.gather(*(token_log.append(appends(number=number)) for number in range(20)))
    assert sum(metrics.values["batch_size", ("batch", "token_log")]) == 20
    assert len(metrics.values["token_log_commit_seconds",]) < 20


async def test_opens_appends_and_seals_are_answered_in_kind(token_log: TokenLog) -> None:
    opened, verdicts, seals = await asyncio.gather(
        token_log.open([(job_id(), 1)]), token_log.append(appends("a", close=True)), token_log.seal([seal()])
    )
    assert (opened, verdicts) == ([Logged([], None)], [DONE] * 3)
    assert seal_in(seals[0]).end == 8


async def test_a_refused_append_is_counted(token_log: TokenLog, metrics: RecordedMetrics) -> None:
    await token_log.open([(job_id(), 2)])
    assert await token_log.append(appends(fence=1)) == [AppendVerdict.STALE]
    assert metrics.values["appends_refused", ("verdict", "stale")] == [1]


async def test_a_value_that_the_file_cannot_take_fails_its_row_alone(on_sqlite: TokenLog) -> None:
    batch = [appends(number=number)[0] for number in range(64)]
    batch[40] = batch[40]._replace(fence=2**64)
    verdicts = await on_sqlite.append(batch)
    assert (verdicts.index(AppendVerdict.ERROR), verdicts.count(DONE)) == (40, 63)
    assert (await on_sqlite.read(job_id(40), -1)).chunks == []


async def test_a_reader_gets_the_past_and_then_the_news(token_log: TokenLog) -> None:
    opening, first, second = appends("a", "b")
    await token_log.append([opening, first])
    past = await token_log.follow(READER, {job_id(): -1}, [], SOON)
    append_soon(token_log, second)
    news = await token_log.follow(READER, {}, [], SOON)
    assert [numbers(past[job_id()]), numbers(news[job_id()])] == [[2, 3, 5], [6]]


async def test_a_reader_of_an_empty_log_waits_for_its_first_chunk(token_log: TokenLog) -> None:
    answer = asyncio.create_task(token_log.follow(READER, {job_id(): -1}, [], SOON))
    await asyncio.sleep(0)
    await token_log.append(appends())
    assert numbers((await answer)[job_id()]) == [2, 3]


async def test_nothing_new_is_answered_with_nothing(token_log: TokenLog) -> None:
    await token_log.append(appends())
    assert await token_log.follow(READER, {job_id(): 4}, [], 0) == {}


async def test_a_sealed_log_is_answered_once(token_log: TokenLog) -> None:
    await token_log.append(appends("a", close=True))
    await token_log.seal([seal()])
    answer = await token_log.follow(READER, {job_id(): -1}, [], SOON)
    assert (shown(answer[job_id()]), seal_in(answer[job_id()].seal).terminal.status) == ("a", "completed")
    await token_log.seal([seal()])
    assert await token_log.follow(READER, {}, [], 0) == {}


async def test_a_seal_wakes_the_readers(token_log: TokenLog) -> None:
    await token_log.append(appends())
    await token_log.follow(READER, {job_id(): -1}, [], SOON)
    await token_log.seal([seal(Status.CANCELLED)])
    answer = await token_log.follow(READER, {}, [], SOON)
    assert answer[job_id()].chunks == []
    assert seal_in(answer[job_id()].seal).terminal.status == "cancelled"


async def test_one_call_answers_for_many_logs(token_log: TokenLog) -> None:
    await token_log.append([appends(number=number)[0] for number in range(3)])
    answer = await token_log.follow(READER, {job_id(number): -1 for number in range(3)}, [], SOON)
    assert list(answer) == [job_id(0), job_id(1), job_id(2)]


async def test_a_log_that_is_no_longer_followed_is_not_answered(token_log: TokenLog) -> None:
    await token_log.follow(READER, {job_id(): -1}, [], 0)
    await token_log.append(appends())
    assert await token_log.follow(READER, {}, [job_id()], 0) == {}


async def test_a_slow_reader_is_answered_in_pages_until_it_has_all(token_log: TokenLog) -> None:
    text = "x" * (ANSWER_BYTES // 3)
    for number in range(2):
        await token_log.append(appends(text, text, text, number=number, close=True))
        await token_log.seal([seal()._replace(job_id=job_id(number))])
    add, texts, sizes = {job_id(number): -1 for number in range(2)}, {job_id(0): "", job_id(1): ""}, []
    while answer := await token_log.follow(READER, add, [], 0):
        add = {}
        sizes.append(sum(len(chunk) for logged in answer.values() for chunk in logged.chunks))
        for job, logged in answer.items():
            texts[job] += shown(logged)
    assert set(texts.values()) == {text * 3}
    assert max(sizes) <= 2 * ANSWER_BYTES  # one chunk more than the limit: the last closes with the whole text


async def test_many_large_logs_do_not_share_one_answer(token_log: TokenLog) -> None:
    text = "x" * ANSWER_BYTES
    for number in range(3):
        await token_log.append(appends(text, number=number)[:2])
    first = await token_log.follow(READER, {job_id(number): 4 for number in range(3)}, [], SOON)
    second = await token_log.follow(READER, {}, [], SOON)
    assert [list(first), list(second)] == [[job_id(0)], [job_id(1)]]


async def test_nothing_is_read_before_it_is_on_disk() -> None:
    commit, started = asyncio.Event(), asyncio.Event()

    async def run_late(work: Callable[[], Any]) -> Any:
        started.set()
        await commit.wait()
        return work()

    store = MemoryTokenStore(Disk(uuid="store-1"))
    token_log = TokenLog(store, ports=replace(make_ports(), run_blocking=run_late))
    appended = append_soon(token_log, *appends())
    await started.wait()
    assert await token_log.follow(READER, {job_id(): -1}, [], 0) == {}
    commit.set()
    await appended
    assert list(await token_log.follow(READER, {}, [], SOON)) == [job_id()]


async def test_a_caller_that_gave_up_does_not_stop_the_log(token_log: TokenLog) -> None:
    gone = append_soon(token_log, *appends())
    await asyncio.sleep(0)
    gone.cancel()
    assert await token_log.append(appends("a")) == [DONE, DONE]


async def test_what_a_failed_commit_was_to_write_is_written_by_the_next() -> None:
    store = Failing(Disk(uuid="store-1"))
    token_log = TokenLog(store, ports=make_ports())
    opening, first, second = appends("a", "b")
    assert await token_log.append([opening]) == [DONE]
    store.fails = True
    with pytest.raises(StoreUnavailableError):
        await token_log.append([first])
    store.fails = False
    assert await token_log.append([second]) == [AppendVerdict.GAP]
    assert await token_log.append([first, second]) == [DONE] * 2
    assert shown(await token_log.read(job_id(), -1)) == "ab"


async def test_more_logs_than_are_kept_in_memory_are_all_gone_on_with(on_sqlite: TokenLog) -> None:
    logs = [appends("a", number=number) for number in range(KNOWN_HEADS + 1)]
    for place in range(2):
        assert set(await on_sqlite.append([log[place] for log in logs])) == {DONE}
    assert len(on_sqlite._heads) <= KNOWN_HEADS


async def test_finished_jobs_leave_nothing_in_memory(on_sqlite: TokenLog) -> None:
    for number in range(20):
        await on_sqlite.append(appends("a", number=number, close=True))
        await on_sqlite.follow(READER, {job_id(number): -1}, [], SOON)
        await on_sqlite.seal([seal()._replace(job_id=job_id(number))])
        await on_sqlite.follow(READER, {}, [], SOON)
    session = on_sqlite._followers._sessions[READER]
    assert (session.cursors, session.changed, on_sqlite._followers._by_key) == ({}, {}, {})
    assert on_sqlite._heads == {}


async def test_two_sessions_read_the_same(token_log: TokenLog) -> None:
    await token_log.append(appends("a"))
    answers = [await token_log.follow(session, {job_id(): 2}, [], SOON) for session in ("one", "two")]
    assert answers[0] == answers[1]
    assert numbers(answers[0][job_id()]) == [2, 3, 5]


async def test_a_short_call_of_the_same_session_leaves_the_long_poll_waiting(token_log: TokenLog) -> None:
    await token_log.append(appends())
    waiting = asyncio.create_task(token_log.follow(READER, {job_id(1): -1}, [], SOON))
    await asyncio.sleep(0)
    assert list(await token_log.follow(READER, {job_id(0): -1}, [], 0)) == [job_id(0)]
    await token_log.append(appends(number=1))
    assert list(await waiting) == [job_id(1)]
