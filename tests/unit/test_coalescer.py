import asyncio

import pytest

from actors.coalescer import Coalescer
from pipelines.errors import TransientError
from tests.factories import make_ports


class Recorder:
    """Answers a command with its double; a command of "bad" raises. Waits while `gate` is closed."""

    def __init__(self) -> None:
        self.calls: list[list[int | str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(self, commands: list[int | str]) -> list[int | str]:
        self.calls.append(commands)
        await self.gate.wait()
        if "bad" in commands:
            raise ValueError("bad")
        return [command * 2 for command in commands]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def coalescer(recorder: Recorder) -> Coalescer[int | str, int | str]:
    return Coalescer(recorder.apply, name="test", ports=make_ports())


async def test_what_waits_during_a_call_becomes_the_next_call(
    coalescer: Coalescer[int | str, int | str], recorder: Recorder
) -> None:
    recorder.gate.clear()
    callers = [asyncio.ensure_future(coalescer.do([n])) for n in range(5)]
    while not recorder.calls:
        await asyncio.sleep(0)
    late = [asyncio.ensure_future(coalescer.do([n])) for n in (7, 8)]
    await asyncio.sleep(0)
    recorder.gate.set()
    assert [await caller for caller in callers + late] == [[0], [2], [4], [6], [8], [14], [16]]
    assert sum(len(call) for call in recorder.calls) == 7
    assert recorder.calls[-1] == [7, 8]


async def test_one_bad_command_among_many_fails_alone(coalescer: Coalescer[int | str, int | str]) -> None:
    commands: list[int | str] = [1, 2, "bad", 4]
    results = await asyncio.gather(*(coalescer.do([c]) for c in commands), return_exceptions=True)
    assert [type(result) for result in results] == [list, list, ValueError, list]


async def test_a_caller_that_gave_up_does_not_stop_the_others(
    coalescer: Coalescer[int | str, int | str], recorder: Recorder
) -> None:
    recorder.gate.clear()
    first, second = asyncio.ensure_future(coalescer.do([1])), asyncio.ensure_future(coalescer.do([2]))
    await asyncio.sleep(0)
    first.cancel()
    recorder.gate.set()
    assert await second == [4]
    assert await coalescer.do([3]) == [6]


async def test_a_batch_is_never_longer_than_the_limit(recorder: Recorder) -> None:
    coalescer = Coalescer(recorder.apply, name="test", ports=make_ports(), limit=3)
    assert await coalescer.do(list(range(8))) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert [len(call) for call in recorder.calls] == [3, 3, 2]


async def test_a_passing_fault_is_told_to_all_without_another_call() -> None:
    calls: list[int] = []

    async def fail(commands: list[int]) -> list[int]:
        calls.append(len(commands))
        raise TransientError("away")

    coalescer = Coalescer(fail, name="test", ports=make_ports())
    results = await asyncio.gather(*(coalescer.do([n]) for n in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [TransientError] * 4
    assert calls == [4]
