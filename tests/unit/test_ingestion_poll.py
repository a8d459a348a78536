"""The long poll of a reader's process, against a log that fails, forgets or is slow."""

import asyncio
from dataclasses import replace

from deployments.ingestion.poll import REFRESH_S, WAIT_S, Poll
from pipelines.errors import TransientError
from tests.factories import ManualClock, make_ports

Call = tuple[dict[str, int], list[str], float]


class Log:
    """Answers `follow` when told to, with news or an error; keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.answers: asyncio.Queue[dict[str, str] | Exception] = asyncio.Queue()

    async def follow(self, session: str, add: dict[str, int], remove: list[str], wait_s: float) -> dict[str, str]:
        assert session
        self.calls.put_nowait((add, remove, wait_s))
        if wait_s == 0:
            return {}
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def asked(self) -> Call:
        return await asyncio.wait_for(self.calls.get(), 5)


class Watch:
    """A poll with what it was given."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = Log()
        self.cursors = {"a": 3, "b": 7}
        self.news: list[tuple[str, str]] = []
        self.poll: Poll[str] = Poll(
            self.log.follow,
            cursor=self.cursors.get,
            deliver=lambda job_id, item: self.news.append((job_id, item)),
            name="test",
            ports=replace(make_ports(self.clock), sleep=lambda _: asyncio.sleep(0)),
        )


async def test_a_job_is_followed_from_its_readers_cursor() -> None:
    watch = Watch()
    watch.poll.add("a")
    assert await watch.log.asked() == ({"a": 3}, [], WAIT_S)
    watch.log.answers.put_nowait({"a": "news"})
    assert await watch.log.asked() == ({}, [], WAIT_S)
    assert watch.news == [("a", "news")]
    await watch.poll.close()


async def test_a_new_job_does_not_wait_for_the_poll_under_way() -> None:
    watch = Watch()
    watch.poll.add("a")
    await watch.log.asked()
    watch.poll.add("b")
    assert await watch.log.asked() == ({"b": 7}, [], 0)
    await watch.poll.close()


async def test_after_a_failure_everything_is_followed_again() -> None:
    watch = Watch()
    for job_id in ("a", "b"):
        watch.poll.add(job_id)
    await watch.log.asked()
    watch.log.answers.put_nowait(TransientError("gone"))
    assert (await watch.log.asked())[0] == {"a": 3, "b": 7}
    await watch.poll.close()


async def test_a_session_that_was_forgotten_in_silence_is_renewed_in_time() -> None:
    watch = Watch()
    watch.poll.add("a")
    await watch.log.asked()
    watch.cursors["a"] = 5
    watch.clock.time += REFRESH_S + 1
    watch.log.answers.put_nowait({})
    assert await watch.log.asked() == ({"a": 5}, [], WAIT_S)
    await watch.poll.close()


async def test_a_job_that_nobody_reads_is_let_go() -> None:
    watch = Watch()
    for job_id in ("a", "b"):
        watch.poll.add(job_id)
    await watch.log.asked()
    watch.poll.remove("a")
    watch.log.answers.put_nowait({})
    assert await watch.log.asked() == ({}, ["a"], WAIT_S)
    await watch.poll.close()
