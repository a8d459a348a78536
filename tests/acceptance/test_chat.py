"""Chat Completions, Completions and Models with the real SDK, strict, against a real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, AsyncStream, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from configs.profiles import load_profile
from tests.acceptance.client import PATIENCE_S
from tests.servers import ServerProcess

HI: Any = [{"role": "user", "content": "Hi"}]
MODEL = "scripted"
HANG = {"scripted": json.dumps({"fail": "hang", "at": 1})}
FAULTY = {"scripted": json.dumps({"fail": "raise", "at": 3, "delay_ms": 20})}


@pytest.fixture
def sdk(server: ServerProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True) as client:
        yield client


@pytest.fixture
async def asdk(server: ServerProcess) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def test_chat_says_the_same_at_once_and_in_a_stream(sdk: OpenAI) -> None:
    whole = sdk.chat.completions.create(model=MODEL, messages=HI)
    stream = sdk.chat.completions.create(model=MODEL, messages=HI, stream=True, stream_options={"include_usage": True})
    *chunks, last = list(stream)
    assert "".join([chunk.choices[0].delta.content or "" for chunk in chunks]) == whole.choices[0].message.content
    assert last.usage == whole.usage
    assert whole.choices[0].message.content


def test_the_stream_helper_puts_an_answer_together(sdk: OpenAI) -> None:
    with sdk.chat.completions.stream(model=MODEL, messages=HI) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content


def test_a_text_goes_on(sdk: OpenAI) -> None:
    whole = sdk.completions.create(model=MODEL, prompt=["One", "Two"], max_tokens=4)
    assert [choice.finish_reason for choice in whole.choices] == ["length", "length"]
    stream = sdk.completions.create(model=MODEL, prompt="Two", max_tokens=4, stream=True)
    assert "".join([part.choices[0].text for part in stream]) == whole.choices[1].text


def test_a_fault_in_the_middle_of_a_stream_is_told(sdk: OpenAI) -> None:
    stream = sdk.chat.completions.create(model=MODEL, messages=HI, metadata=FAULTY, stream=True)
    next(stream)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == "server_error"


def test_a_refusal_by_the_engine_is_the_callers_fault(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model=MODEL, messages=HI, metadata={"scripted": "nonsense"}, stream=True)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "metadata.scripted")
    assert caught.value.request_id


def test_models_are_found_by_names_with_slashes_too(sdk: OpenAI) -> None:
    model = sdk.models.retrieve(MODEL)
    assert model in sdk.models.list().data
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.models.retrieve("no/such model")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "no/such model" in caught.value.message


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_client_that_leaves_frees_its_slot(asdk: AsyncOpenAI, streaming: bool) -> None:
    """All slots but one are held by streams, and that one by the client that will leave."""
    held = await asyncio.gather(*[_hang(asdk) for _ in range(load_profile(MODEL).slots - 1)])
    async with AsyncOpenAI(base_url=asdk.base_url, api_key="none", max_retries=0) as leaver:
        asking = leaver.chat.completions.create(model=MODEL, messages=HI, metadata=HANG, stream=streaming)
        leaving = asyncio.create_task(asking)
        waiting = await _wait_in_line(asdk)
        if streaming:
            stream = await leaving
            assert isinstance(stream, AsyncStream)
            await stream.close()
        leaving.cancel()
        await asyncio.wait_for(waiting, PATIENCE_S)
    for other in held:
        await other.close()


async def _hang(sdk: AsyncOpenAI) -> AsyncStream[ChatCompletionChunk]:
    """A stream that has begun and does not go on."""
    stream = await sdk.chat.completions.create(model=MODEL, messages=HI, metadata=HANG, stream=True)
    await anext(aiter(stream))
    return stream


async def _wait_in_line(sdk: AsyncOpenAI) -> asyncio.Task[ChatCompletion]:
    """The first request that finds no slot."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            task = asyncio.create_task(sdk.chat.completions.create(model=MODEL, messages=HI))
            if not (await asyncio.wait([task], timeout=0.5))[0]:
                return task
            assert task.result().choices[0].finish_reason == "stop"
