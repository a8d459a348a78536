"""One suite judges every engine. vLLM runs the real SmolLM2 in float32, where a continuation is exact."""

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from deployments.engines.protocol import Engine, EngineDeadError, Tokens
from deployments.engines.scripted import ScriptedEngine
from heliograph.models import add_model
from pipelines.errors import RejectError
from tests.contract.engine_house import EngineHouse
from tests.contract.engine_subject import QUESTION, STORY, Subject, encoder, ids_of, logprobs_of, run, run_all

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
]  # a model starts in minutes on a busy machine
SLOTS = 4
MODEL = "smollm2-135m-instruct"
BLOCK_BYTES = 128 * 30 * 2 * 3 * 64 * 4  # tokens of a block, layers, keys and values, heads, their width, float32
BLOCKS = 17  # vLLM keeps one for itself; the others hold the model's context of 2048 tokens


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():
            await asyncio.sleep(0.005)


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


async def test_a_log_that_had_come_to_its_end_gets_no_further_token(subject: Subject) -> None:
    whole = ids_of(await run(subject, subject.ask("whole", QUESTION, max_tokens=600)))
    batches = await run(subject, subject.ask("ended", QUESTION, max_tokens=600, logged_ids=whole))
    assert batches == [Tokens([], "stop")]


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


async def test_likelihoods_come_with_each_token_where_they_are_asked_for(
    subject: Subject, undisturbed: list[Tokens]
) -> None:
    assert [batch.logprobs for batch in undisturbed] == [None] * len(undisturbed)
    batches = await run(subject, subject.ask("likely", top_logprobs=3))
    assert ids_of(batches) == ids_of(undisturbed)
    told = logprobs_of(batches)
    assert [one.id for one in told] == ids_of(batches)
    for one in told:
        likelihoods = [logprob for _, logprob in one.top]
        assert len(one.top) == 3
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert one.top[0] == (one.id, one.logprob)  # the likeliest was chosen
        assert one.logprob <= 0


async def test_likelihoods_without_alternatives_are_the_tokens_own(subject: Subject) -> None:
    told = logprobs_of(await run(subject, subject.ask("own", top_logprobs=0, max_tokens=5)))
    assert [one.top for one in told] == [[]] * 5


async def test_a_continuation_tells_the_same_likelihoods(subject: Subject) -> None:
    whole = await run(subject, subject.ask("all", top_logprobs=2))
    rest = logprobs_of(await run(subject, subject.ask("rest", top_logprobs=2, logged_ids=ids_of(whole)[:13])))
    expected = logprobs_of(whole)[13:]
    assert [(one.id, [other for other, _ in one.top]) for one in rest] == [
        (one.id, [other for other, _ in one.top]) for one in expected
    ]
    assert [one.logprob for one in rest] == pytest.approx([one.logprob for one in expected], abs=1e-3)


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


async def test_cancelling_before_the_first_token_frees_the_slot(subject: Subject) -> None:
    held = [subject.endless(f"early-{i}") for i in range(SLOTS)]
    firsts = [asyncio.ensure_future(anext(generation)) for generation in held]
    await asyncio.sleep(0)  # they have begun, none has a token
    for first in firsts:
        first.cancel()
    await asyncio.gather(*firsts, return_exceptions=True)
    async with asyncio.timeout(20):
        assert (await run(subject, subject.ask("next", max_tokens=2)))[-1].finish_reason == "length"


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
async def test_the_stop_token_is_logged_and_not_shown(subject: Subject) -> None:
    ids = ids_of(await run(subject, subject.ask("stop-token", QUESTION, max_tokens=600)))
    assert subject.engine.decode(ids[-1:]) == ""
    assert subject.engine.decode(ids[-2:]) != ""


@only_vllm
async def test_the_first_tokens_tell_how_much_of_the_prompt_was_cached(subject: Subject) -> None:
    text = STORY * 20
    runs = [await run(subject, subject.ask(f"cached-{i}", text, max_tokens=2)) for i in range(2)]
    assert [[batch.cached_tokens for batch in batches] for batches in runs] == [[0, 0], [128, 0]]


@only_vllm
@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("json_schema", '{"type": "lamp"}', "invalid_json_schema"),
        ("json_schema", "{", "invalid_json_schema"),
        ("json_schema", '{"type": "integer", "multipleOf": 3}', "invalid_json_schema"),  # beyond xgrammar's means
        ("regex", "(a", "invalid_value"),
        ("structural_tag", "{}", "invalid_value"),
    ],
)
async def test_a_grammar_that_is_none_is_rejected(subject: Subject, kind: str, value: str, code: str) -> None:
    with pytest.raises(RejectError) as caught:
        await run(subject, subject.ask("grammar", grammar={"kind": kind, "value": value}))
    assert caught.value.code == code


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
async def test_direct_requests_say_what_the_engine_does(subject: Subject, tmp_path: Path) -> None:
    ids = ids_of(await run(subject, subject.ask("alone", QUESTION, max_tokens=40)))
    said, prompt = subject.engine.decode(ids), subject.encode(QUESTION)
    options = {"model": MODEL, "temperature": 0, "max_tokens": 40}
    async with EngineHouse.open(tmp_path, subject.engine, model=MODEL, slots=SLOTS) as house:
        messages = [{"role": "user", "content": QUESTION}]
        chat = (await house.http.post("/v1/chat/completions", json={**options, "messages": messages})).json()
        assert chat["choices"][0]["message"]["content"] == said
        assert (chat["usage"]["prompt_tokens"], chat["usage"]["completion_tokens"]) == (len(prompt), len(ids))
        more = {**options, "prompt": [prompt, prompt], "logprobs": 2}
        first, second = (await house.http.post("/v1/completions", json=more)).json()["choices"]
        assert first["text"] == said
        shown = len(ids) - 1  # the token that ends it has no text
        assert len(first["logprobs"]["tokens"]) == len(second["logprobs"]["token_logprobs"]) == shown


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
