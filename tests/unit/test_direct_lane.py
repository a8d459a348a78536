import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from actors.telemetry.metrics import RecordedMetrics
from deployments.engines.protocol import EngineDeadError, Generation, Tokens
from deployments.engines.scripted import ScriptedEngine
from deployments.inference.direct import DirectLane
from deployments.inference.language import EngineLanguage, Interpreters
from deployments.inference.slots import Slots
from deployments.inference.speech import Batch
from pipelines.errors import RejectError, TransientError
from tests.factories import ManualClock, make_ports
from tests.workers import prompt


class DyingEngine(ScriptedEngine):
    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        yield Tokens([0], None)
        raise EngineDeadError(generation.request_id)


class WatchedEngine(ScriptedEngine):
    """Tells which generations it works on."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[Generation] = []

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        self.running.append(generation)
        try:
            async with aclosing(super().generate(generation)) as stream:
                async for tokens in stream:
                    yield tokens
        finally:
            self.running.remove(generation)


class Bench:
    def __init__(self, engine: ScriptedEngine | None = None, *, slots: int = 2) -> None:
        self.deaths: list[str] = []
        self.slots = Slots(slots, model="scripted", metrics=RecordedMetrics(), clock=ManualClock(), queue=1)
        engine = engine or ScriptedEngine()
        self.lane = DirectLane(
            model="scripted",
            engine=engine,
            interpreters=Interpreters(EngineLanguage(engine)),
            slots=self.slots,
            ports=make_ports(),
            on_engine_death=lambda: self.deaths.append("dead"),
        )


HANG = json.dumps({"fail": "hang", "at": 3})


async def batches(bench: Bench, text: str = "Hello", script: str | None = None, max_tokens: int = 16) -> list[Batch]:
    return [batch async for batch in bench.lane.generate(prompt(text, script=script, max_tokens=max_tokens))]


def text_of(said: list[Batch]) -> str:
    return "".join([piece.text for batch in said for piece in batch.pieces])


async def started(stream: AsyncGenerator[Batch, None]) -> None:
    """Read up to the first text."""
    while not (await anext(stream)).pieces:
        pass


async def test_the_first_batch_says_that_the_request_is_there_and_the_last_how_it_ended() -> None:
    first, *_, last = await batches(Bench())
    assert (first.pieces, first.finish_reason, first.fingerprint) == ((), "", "scripted-1")
    assert (last.finish_reason, last.usage) == ("stop", (1, 16, 0))


async def test_the_text_is_that_of_the_engine() -> None:
    engine = ScriptedEngine()
    ids = [
        token
        async for tokens in engine.generate(Generation(request_id="r", prompt=prompt("Hello")))
        for token in tokens.ids
    ]
    assert text_of(await batches(Bench())) == engine.decode(ids)


async def test_what_comes_together_is_one_piece() -> None:
    said = await batches(Bench(), max_tokens=1000, script='{"tokens": 1000}')
    assert sum([len(batch.pieces) for batch in said]) <= 3
    assert said[-1].usage.output_tokens == 1000


async def test_the_limit_ends_it() -> None:
    assert (await batches(Bench(), max_tokens=3))[-1].finish_reason == "length"


async def test_a_reader_that_leaves_frees_the_slot_and_the_engine() -> None:
    engine = WatchedEngine()
    bench = Bench(engine)
    stream = bench.lane.generate(prompt(script=HANG))
    await started(stream)
    assert (bench.slots.taken, len(engine.running)) == (1, 1)
    await stream.aclose()
    assert (bench.slots.taken, engine.running) == (0, [])


async def test_a_cancelled_reader_frees_the_slot_and_the_engine() -> None:
    engine = WatchedEngine()
    bench = Bench(engine)
    reading = asyncio.create_task(batches(bench, script=HANG))
    async with asyncio.timeout(10):
        while not engine.running:
            await asyncio.sleep(0)
        reading.cancel()
        while bench.slots.taken or engine.running:
            await asyncio.sleep(0)


async def test_more_than_the_slots_and_the_queue_hold_are_refused() -> None:
    bench = Bench(slots=1)
    running, waits, refused = (bench.lane.generate(prompt(script=HANG)) for _ in range(3))
    await started(running)
    assert (await anext(waits)).pieces == ()
    waiting = asyncio.create_task(started(waits))
    await asyncio.sleep(0)
    with pytest.raises(TransientError):
        await started(refused)
    await running.aclose()
    await waiting
    await waits.aclose()
    assert bench.slots.taken == 0


async def test_an_input_that_the_engine_refuses_is_the_callers_fault() -> None:
    bench = Bench()
    with pytest.raises(RejectError):
        await batches(bench, script="nonsense")
    assert bench.slots.taken == 0


async def test_a_dead_engine_ends_the_process_after_what_was_said() -> None:
    bench = Bench(DyingEngine())
    stream = bench.lane.generate(prompt())
    await started(stream)
    with pytest.raises(TransientError):
        await anext(stream)
    assert bench.deaths == ["dead"]
    assert bench.slots.taken == 0
