"""One suite judges every engine. vLLM runs the real SmolLM2 in float32, where a continuation is exact."""

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from deployments.engines.protocol import Engine, EngineDeadError, Generation, Tokens
from deployments.engines.scripted import ScriptedEngine
from deployments.prompting.tokenizers import ChatTokenizer
from heliograph.models import add_model
from pipelines.payloads import Message, Prompt
from tests.contract.engine_house import EngineHouse

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
]  # a model starts in minutes on a busy machine
SLOTS = 4
MODEL = "smollm2-135m-instruct"
BLOCK_BYTES = 128 * 30 * 2 * 3 * 64 * 4  # tokens of a block, layers, keys and values, heads, their width, float32
BLOCKS = 17  # vLLM keeps one for itself; the others hold the model's context of 2048 tokens
STORY = "Tell me a story about a lighthouse keeper."
QUESTION = "What is the capital of France?"  # SmolLM2 answers it in a sentence


class Subject(NamedTuple):
    engine: Engine
    encode: Callable[[str], list[int]]  # no ids for an engine that works on text

    def ask(self, request_id: str, text: str = STORY, *, logged_ids: Sequence[int] = (), **changes: Any) -> Generation:
        fields = {"max_tokens": 40, "temperature": 0, "top_p": 1, "metadata": {"scripted": '{"tokens": 100}'}}
        prompt = Prompt(
            messages=[Message(role="user", content=text)], token_ids=self.encode(text) or None, **{**fields, **changes}
        )
        return Generation(request_id=request_id, prompt=prompt, logged_ids=list(logged_ids))

    def endless(self, request_id: str) -> AsyncGenerator[Tokens, None]:
        script = {"scripted": '{"tokens": 100000, "delay_ms": 20}'}
        return self.engine.generate(self.ask(request_id, max_tokens=1500, metadata=script))


async def run(subject: Subject, generation: Generation) -> list[Tokens]:
    return await run_all(subject.engine.generate(generation))


async def run_all(generating: AsyncGenerator[Tokens, None]) -> list[Tokens]:
    async with aclosing(generating) as batches:
        return [batch async for batch in batches]


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():
            await asyncio.sleep(0.005)


def ids_of(batches: list[Tokens]) -> list[int]:
    return [token for batch in batches for token in batch.ids]


@pytest.fixture(scope="session")
def smollm2() -> Path:
    return add_model(MODEL)


@pytest.fixture(scope="module", params=["scripted", pytest.param("vllm", marks=pytest.mark.vllm)])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def parts(engine_name: str, request: pytest.FixtureRequest) -> tuple[Engine, Callable[[str], list[int]]]:
    if engine_name == "scripted":
        return ScriptedEngine(), lambda _: []
    from deployments.engines.vllm.engine import VllmEngine  # noqa: PLC0415 - seconds to import

    folder = request.getfixturevalue("smollm2")
    settings = {"dtype": "float32", "enforce_eager": True, "max_num_batched_tokens": 512, "block_size": 128}
    settings["kv_cache_memory_bytes"] = BLOCKS * BLOCK_BYTES
    engine = VllmEngine(folder=folder, context=2048, slots=SLOTS, engine_args=settings)
    return engine, encoder(folder)


def encoder(folder: Path) -> Callable[[str], list[int]]:
    tokenizer = ChatTokenizer(folder)
    return lambda text: tokenizer.encode([Message(role="user", content=text)]).token_ids or []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def subject(parts: tuple[Engine, Callable[[str], list[int]]]) -> AsyncGenerator[Subject, None]:
    engine, encode = parts
    await engine.start()
    yield Subject(engine, encode)
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(subject: Subject) -> list[Tokens]:
    return await run(subject, subject.ask("undisturbed"))


async def test_tokens_stream_and_only_the_last_has_a_finish_reason(undisturbed: list[Tokens]) -> None:
    assert len(undisturbed) > 1
    assert len(undisturbed[0].ids) == 1
    assert [batch.finish_reason for batch in undisturbed[:-1]] == [None] * (len(undisturbed) - 1)
    assert undisturbed[-1].finish_reason == "length"
    assert len(ids_of(undisturbed)) == 40


async def test_generating_stops_by_itself(subject: Subject) -> None:
    batches = await run(subject, subject.ask("short", QUESTION, max_tokens=600))
    assert batches[-1].finish_reason == "stop"
    assert len(ids_of(batches)) < 600


@pytest.mark.parametrize("cut", range(0, 40, 8))
async def test_continuing_from_any_cut_equals_the_undisturbed_run(
    subject: Subject, undisturbed: list[Tokens], cut: int
) -> None:
    whole = ids_of(undisturbed)
    batches = await run(subject, subject.ask(f"cut-{cut}", logged_ids=whole[:cut]))
    assert ids_of(batches) == whole[cut:]
    assert batches[-1].finish_reason == "length"


async def test_a_spent_budget_ends_with_no_further_token(subject: Subject, undisturbed: list[Tokens]) -> None:
    batches = await run(subject, subject.ask("spent", logged_ids=ids_of(undisturbed)))
    assert batches == [Tokens([], "length")]


async def test_generations_side_by_side_do_not_mix(subject: Subject, undisturbed: list[Tokens]) -> None:
    runs = await asyncio.gather(*(run(subject, subject.ask(f"beside-{i}")) for i in range(SLOTS)))
    assert [ids_of(batches) for batches in runs] == [ids_of(undisturbed)] * SLOTS


async def test_closing_the_iterator_frees_the_slot(subject: Subject) -> None:
    held = [subject.endless(f"held-{i}") for i in range(SLOTS)]
    await asyncio.gather(*(anext(generation) for generation in held))
    await asyncio.gather(*(generation.aclose() for generation in held))
    async with asyncio.timeout(20):  # the held ones would take minutes
        assert (await run(subject, subject.ask("after", max_tokens=2)))[-1].finish_reason == "length"


async def test_cancelling_the_consumer_frees_the_slot(subject: Subject) -> None:
    started = asyncio.Event()

    async def consume(request_id: str) -> None:
        async with aclosing(subject.endless(request_id)) as batches:
            async for _ in batches:
                started.set()

    tasks = [asyncio.create_task(consume(f"cancelled-{i}")) for i in range(SLOTS)]
    await started.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(20):
        assert (await run(subject, subject.ask("again", max_tokens=2)))[-1].finish_reason == "length"


async def test_an_idle_engine_has_room(subject: Subject) -> None:
    await run(subject, subject.ask("room", max_tokens=2))
    assert subject.engine.has_room()


async def test_decoding_is_stable(subject: Subject, undisturbed: list[Tokens]) -> None:
    ids = ids_of(undisturbed)
    text = subject.engine.decode(ids)
    assert len(text) > 40
    assert subject.engine.decode(ids) == text
    assert text.startswith(subject.engine.decode(ids[:20]))


async def test_an_engine_says_what_it_is(subject: Subject) -> None:
    assert subject.engine.fingerprint
    assert subject.engine.can_continue
    assert subject.engine.context >= 2048


only_vllm = pytest.mark.parametrize("engine_name", [pytest.param("vllm", marks=pytest.mark.vllm)], indirect=True)


@only_vllm
async def test_an_engine_in_which_work_waits_has_no_room(subject: Subject) -> None:
    held = [subject.endless(f"crowd-{i}") for i in range(SLOTS + 1)]
    firsts = [asyncio.ensure_future(anext(generation)) for generation in held]
    async with asyncio.timeout(30):
        while subject.engine.has_room():
            await asyncio.wait(firsts, timeout=0.02)
    for first in firsts:
        first.cancel()
    await asyncio.gather(*firsts, return_exceptions=True)
    await asyncio.gather(*(generation.aclose() for generation in held))
    assert subject.engine.has_room()


@only_vllm
async def test_a_cancel_over_http_gives_slot_and_blocks_to_who_waits_for_them(
    subject: Subject, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    load = subject.engine._load  # type: ignore[attr-defined]  # as vLLM's scheduler tells it after each step
    now = asyncio.get_running_loop().time
    async with EngineHouse.open(tmp_path, subject.engine, model=MODEL, slots=SLOTS + 2) as house:
        running = [await house.submit(STORY) for _ in range(SLOTS)]
        await asyncio.gather(*(house.token(job) for job in running))
        waiting = await house.submit(STORY)
        await until(lambda: load.waiting == 1)
        queued = await house.submit(STORY)  # nobody claims it while the engine would let it wait
        await house.rendered(queued)
        await house.cancel(queued)
        assert [frame["type"] for frame in await house.frames(queued)] == ["event"] * 3 + ["end"]
        cancelled_at = now()
        await house.cancel(running[0])
        await until(lambda: load.waiting == 0)
        record_property("slot_freed_after_s", now() - cancelled_at)
        await house.token(waiting)
        assert load.kv_cache_usage * BLOCKS >= SLOTS - 1
        cancelled_at = now()
        await asyncio.gather(*(house.cancel(job) for job in running[1:]))
        await until(lambda: load.kv_cache_usage * BLOCKS < SLOTS - 1)  # what one generation holds
        record_property("blocks_freed_after_s", now() - cancelled_at)
        assert (await house.get(f"/jobs/{waiting}"))["status"] == "in_progress"
        await house.cancel(waiting)
        for job in [*running, waiting]:
            assert (await house.frames(job))[-1]["status"] == "cancelled"


@only_vllm
async def test_the_death_of_the_engines_process_is_noticed_at_once(subject: Subject) -> None:
    orphan = subject.endless("orphan")
    await anext(orphan)
    (core,) = multiprocessing.active_children()
    core.kill()
    async with asyncio.timeout(10):  # the generation would take a minute
        with pytest.raises(EngineDeadError):
            await run_all(orphan)
        with pytest.raises(EngineDeadError):
            await run(subject, subject.ask("late"))
