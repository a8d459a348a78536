import asyncio
import json

import pytest

from deployments.engines.protocol import Generation, Tokens
from deployments.engines.scripted import ScriptedEngine, ScriptedError, parse_script
from pipelines.errors import RejectError
from pipelines.payloads import Message, Prompt


def ask(script: str = "{}", *, attempt: int = 1, logged: int = 0, prompt: str = "p", most: int = 100) -> Generation:
    rendered = Prompt(
        messages=[Message(role="user", content=prompt)],
        max_tokens=most,
        temperature=1,
        top_p=1,
        metadata={"scripted": script},
    )
    return Generation(request_id="r", prompt=rendered, attempt=attempt, logged_ids=[0] * logged)


async def collect(generation: Generation, engine: ScriptedEngine | None = None) -> list[Tokens]:
    return [batch async for batch in (engine or ScriptedEngine()).generate(generation)]


async def collect_until_failure(generation: Generation) -> int:
    count = 0

    async def consume() -> None:
        nonlocal count
        async for batch in ScriptedEngine().generate(generation):
            count += len(batch.ids)

    with pytest.raises(ScriptedError):
        await consume()
    return count


async def test_sixteen_tokens_come_as_the_first_and_the_rest() -> None:
    batches = await collect(ask())
    assert [(len(batch.ids), batch.finish_reason) for batch in batches] == [(1, None), (15, "stop")]


async def test_the_text_depends_on_the_prompt_alone() -> None:
    assert await collect(ask(attempt=3)) == await collect(ask())
    assert await collect(ask(prompt="q")) != await collect(ask())


async def test_the_text_is_words() -> None:
    text = ScriptedEngine().decode([token for batch in await collect(ask()) for token in batch.ids])
    assert len(text.split(" ")) == 16
    assert text[0].isupper()


async def test_the_limit_cuts_the_script() -> None:
    assert (await collect(ask('{"tokens": 50}', most=10)))[-1].finish_reason == "length"
    assert (await collect(ask('{"tokens": 10}', most=10)))[-1].finish_reason == "stop"


LITERAL = 'Crème brûlée 🧑‍🚀 灯台 e\u0301 {"city": "Zürich"}\n<tool_call>'


def say(text: str, **more: object) -> str:
    return json.dumps({"text": text, **more})


async def test_it_says_what_the_script_dictates() -> None:
    batches = await collect(ask(say(LITERAL)))
    ids = [token for batch in batches for token in batch.ids]
    assert ScriptedEngine().decode(ids) == LITERAL
    assert [ScriptedEngine().decode([token]) for token in ids] == list(LITERAL)
    assert batches[-1].finish_reason == "stop"


@pytest.mark.parametrize("cut", range(len(LITERAL)))
async def test_a_dictated_text_goes_on_from_any_cut(cut: int) -> None:
    batches = await collect(ask(say(LITERAL), logged=cut))
    assert ScriptedEngine().decode([token for batch in batches for token in batch.ids]) == LITERAL[cut:]


async def test_the_limit_cuts_a_dictated_text() -> None:
    batches = await collect(ask(say("lighthouse"), most=5))
    assert ScriptedEngine().decode([token for batch in batches for token in batch.ids]) == "light"
    assert batches[-1].finish_reason == "length"


async def test_an_empty_text_is_an_output() -> None:
    assert await collect(ask(say(""))) == [Tokens([], "stop")]


async def test_no_tokens_at_all_is_an_output() -> None:
    assert await collect(ask('{"tokens": 0}')) == [Tokens([], "stop")]


async def test_a_delay_comes_before_each_token() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    batches = await collect(ask('{"tokens": 3, "delay_ms": 250}'), ScriptedEngine(sleep=sleep))
    assert slept == [0.25] * 3
    assert [len(batch.ids) for batch in batches] == [1, 1, 1]


async def test_so_many_tokens_come_at_once_as_a_step_says() -> None:
    batches = await collect(ask('{"tokens": 7, "step": 3}'))
    assert [len(batch.ids) for batch in batches] == [3, 3, 1]
    whole = await collect(ask('{"tokens": 7}'))
    assert [i for batch in batches for i in batch.ids] == [i for batch in whole for i in batch.ids]


@pytest.mark.parametrize("at", [0, 1, 5, 15])
async def test_it_raises_before_the_token_asked_for(at: int) -> None:
    assert await collect_until_failure(ask(f'{{"fail": "raise", "at": {at}}}')) == at


async def test_it_fails_in_the_first_attempts_only() -> None:
    script = '{"fail": "raise", "at": 4, "attempts": 2}'
    assert await collect_until_failure(ask(script, attempt=2)) == 4
    assert (await collect(ask(script, attempt=3, logged=4)))[-1].finish_reason == "stop"


async def test_it_fails_in_every_attempt_by_default() -> None:
    assert await collect_until_failure(ask('{"fail": "raise", "at": 4}', attempt=9, logged=4)) == 0


async def test_it_hangs_until_it_is_cancelled() -> None:
    batches = ScriptedEngine().generate(ask('{"fail": "hang", "at": 1}'))
    await anext(batches)
    waiting = asyncio.ensure_future(anext(batches))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_it_ends_the_process() -> None:
    codes: list[int] = []
    engine = ScriptedEngine(exit_process=codes.append)
    with pytest.raises(ScriptedError):  # a real exit does not come back
        await collect(ask('{"fail": "exit"}'), engine)
    assert codes == [1]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"text": "a", "tokens": 1}', '{"token": 1}', '{"tokens": -1}', '{"tokens": "1"}', '{"fail": "melt"}'],
)
def test_a_malformed_script_is_rejected(text: str) -> None:
    with pytest.raises(RejectError) as caught:
        parse_script({"scripted": text})
    assert caught.value.param == "metadata.scripted"
    assert caught.value.code == "invalid_value"
