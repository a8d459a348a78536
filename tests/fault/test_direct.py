"""kill -9 under direct requests: whoever waits is told, and no slot is lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from configs.profiles import load_profile
from tests.servers import ServerProcess

HI: Any = [{"role": "user", "content": "Hi"}]
MODEL = "scripted"
HANG = {"scripted": json.dumps({"fail": "hang", "at": 1})}
PATIENCE_S = 60.0

pytestmark = pytest.mark.ray


@pytest.fixture
async def sdk(event_driven: ServerProcess) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{event_driven.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


async def test_the_death_of_ingestion_frees_the_slots_of_its_clients(
    event_driven: ServerProcess, sdk: AsyncOpenAI
) -> None:
    streams = await asyncio.gather(*[hang(sdk) for _ in range(load_profile(MODEL).slots)])
    await asyncio.to_thread(event_driven.kill, "ray::ServeReplica:ingestion")
    for stream in streams:
        with pytest.raises(openai.APIConnectionError):  # not an end
            [chunk async for chunk in stream]
    await answered(sdk)


async def test_the_death_of_the_engine_is_told_and_the_next_request_is_answered(
    event_driven: ServerProcess, sdk: AsyncOpenAI
) -> None:
    stream = await hang(sdk)
    await asyncio.to_thread(event_driven.kill, "ray::ServeReplica:inference")
    with pytest.raises(openai.APIError) as caught:
        [chunk async for chunk in stream]
    assert caught.value.code == "server_error"
    await answered(sdk)


async def hang(sdk: AsyncOpenAI) -> AsyncStream[ChatCompletionChunk]:
    """A stream that has begun and does not go on."""
    stream = await sdk.chat.completions.create(model=MODEL, messages=HI, metadata=HANG, stream=True)
    await anext(aiter(stream))
    return stream


async def answered(sdk: AsyncOpenAI) -> None:
    """Returns when a patient client has its answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer = await sdk.chat.completions.create(model=MODEL, messages=HI)
            except (openai.InternalServerError, openai.APIConnectionError):
                await asyncio.sleep(0.2)
            else:
                assert answer.choices[0].finish_reason == "stop"
                return
