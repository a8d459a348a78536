"""Completions with the real SDK, strict, against the application in this process."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.ingestion_house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def sdk(house: House) -> AsyncIterator[AsyncOpenAI]:
    async with house.sdk() as sdk:
        yield sdk


async def test_a_text_goes_on(sdk: AsyncOpenAI) -> None:
    answer = await sdk.completions.create(model="scripted", prompt="Once upon a time", max_tokens=5)
    assert answer.id.startswith("cmpl-")
    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert choice.text
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 5)


async def test_each_prompt_has_its_choices(sdk: AsyncOpenAI) -> None:
    answer = await sdk.completions.create(model="scripted", prompt=["One", "Two"], n=1)
    alone = await sdk.completions.create(model="scripted", prompt="Two")
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].text == alone.choices[0].text != answer.choices[0].text
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 32)


async def test_a_stream_says_the_same(sdk: AsyncOpenAI) -> None:
    stream = await sdk.completions.create(
        model="scripted", prompt="Hi", stream=True, stream_options={"include_usage": True}
    )
    parts = [part async for part in stream]
    whole = await sdk.completions.create(model="scripted", prompt="Hi")
    assert "".join([choice.text for part in parts for choice in part.choices]) == whole.choices[0].text
    assert parts[-2].choices[0].finish_reason == "stop"
    assert (parts[-1].choices, parts[-1].usage) == ([], whole.usage)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("echo", True, "unsupported_parameter"),
        ("suffix", "x", "unsupported_parameter"),
        ("best_of", 3, "unsupported_parameter"),
        ("logit_bias", {"1": 2}, "unsupported_parameter"),
        ("prompt", "", "invalid_value"),
        ("prompt", [], "invalid_value"),
        ("prompt", [1, 2], "invalid_value"),  # this engine has no tokens
        ("prompt", ["x"] * 200, "invalid_value"),
        ("n", 99, "invalid_value"),
        ("logprobs", 99, "invalid_value"),
        ("max_tokens", 0, "invalid_value"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(sdk: AsyncOpenAI, field: str, value: Any, code: str) -> None:
    body = {"model": "scripted", "prompt": "Hi", field: value}
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.post("/completions", body=body, cast_to=object)
    assert (caught.value.code, caught.value.param) == (code, field)


async def test_what_asks_for_nothing_is_taken(sdk: AsyncOpenAI) -> None:
    body = {"model": "scripted", "prompt": "Hi", "echo": False, "best_of": 1, "suffix": None, "logit_bias": {}}
    assert await sdk.post("/completions", body=body, cast_to=object)
