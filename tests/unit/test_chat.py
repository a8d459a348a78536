"""Chat Completions with the real SDK, strict, against the application in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.ingestion_house import House


class City(BaseModel):
    name: str


HI: Any = [{"role": "user", "content": "Hi"}]
HANG = {"scripted": json.dumps({"fail": "hang", "at": 3})}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def sdk(house: House) -> AsyncIterator[AsyncOpenAI]:
    async with house.sdk() as sdk:
        yield sdk


async def create(sdk: AsyncOpenAI, **options: Any) -> ChatCompletion:
    completion: ChatCompletion = await sdk.chat.completions.create(model="scripted", **{"messages": HI, **options})
    return completion


async def chunks(sdk: AsyncOpenAI, **options: Any) -> list[ChatCompletionChunk]:
    stream = await sdk.chat.completions.create(model="scripted", stream=True, **{"messages": HI, **options})
    return [chunk async for chunk in stream]


def text_of(stream: list[ChatCompletionChunk], index: int = 0) -> str:
    return "".join(
        [choice.delta.content or "" for chunk in stream for choice in chunk.choices if choice.index == index]
    )


async def test_an_answer_is_one_object(sdk: AsyncOpenAI) -> None:
    answer = await create(sdk)
    (choice,) = answer.choices
    assert answer.id.startswith("chatcmpl-")
    assert (choice.finish_reason, choice.message.role, choice.logprobs) == ("stop", "assistant", None)
    assert choice.message.content
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (1, 16, 17)
    assert (answer.service_tier, answer.system_fingerprint) == ("default", "scripted-1")


async def test_a_stream_has_role_content_and_end_and_says_the_same(sdk: AsyncOpenAI) -> None:
    stream = await chunks(sdk)
    deltas = [chunk.choices[0] for chunk in stream]
    assert (deltas[0].delta.role, deltas[0].delta.content) == ("assistant", "")
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert (deltas[-1].finish_reason, deltas[-1].delta.content) == ("stop", None)
    assert len({chunk.id for chunk in stream}) == 1
    assert text_of(stream) == (await create(sdk)).choices[0].message.content


async def test_the_usage_comes_last_where_it_is_asked_for(sdk: AsyncOpenAI) -> None:
    *_, last = await chunks(sdk, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 16
    assert all(chunk.usage is None for chunk in await chunks(sdk))


async def test_the_limit_ends_an_answer(sdk: AsyncOpenAI) -> None:
    assert (await create(sdk, max_completion_tokens=3)).choices[0].finish_reason == "length"
    assert (await chunks(sdk, max_tokens=3))[-1].choices[0].finish_reason == "length"


async def test_a_stop_string_ends_an_answer(sdk: AsyncOpenAI) -> None:
    whole = (await create(sdk)).choices[0].message.content or ""
    word = whole.split()[4]
    stopped = (await create(sdk, stop=[word])).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (whole[: whole.index(word)], "stop")


async def test_a_forced_call_is_a_call(sdk: AsyncOpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    choice: Any = {"type": "function", "function": {"name": "look"}}
    said = {"scripted": json.dumps({"text": '{"city":"Paris"}'})}
    options: dict[str, Any] = {"tools": [tool], "tool_choice": choice, "metadata": said}
    (answer,) = (await create(sdk, **options)).choices
    assert (answer.finish_reason, answer.message.content) == ("tool_calls", None)
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("look", '{"city":"Paris"}')
    stream = await chunks(sdk, **options)
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in calls if call.function and call.id] == ["look"]
    assert "".join([call.function.arguments or "" for call in calls if call.function]) == '{"city":"Paris"}'
    assert stream[-1].choices[0].finish_reason == "tool_calls"


async def test_a_format_is_kept_to_and_parsed(sdk: AsyncOpenAI) -> None:
    said = {"scripted": json.dumps({"text": '{"name":"Paris"}'})}
    completion = await sdk.chat.completions.parse(model="scripted", messages=HI, response_format=City, metadata=said)
    assert completion.choices[0].message.parsed == City(name="Paris")


async def test_likelihoods_come_with_their_tokens(sdk: AsyncOpenAI) -> None:
    (choice,) = (await create(sdk, logprobs=True, top_logprobs=2)).choices
    assert choice.logprobs is not None
    told = choice.logprobs.content or []
    assert "".join([one.token for one in told]) == choice.message.content
    assert {len(one.top_logprobs) for one in told} == {2}
    stream = await chunks(sdk, logprobs=True)
    again = [one for chunk in stream if (ls := chunk.choices[0].logprobs) for one in ls.content or []]
    assert [one.token for one in again] == [one.token for one in told]


async def test_several_choices_are_answers_of_their_own(sdk: AsyncOpenAI, house: House) -> None:
    answer = await create(sdk, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1, 32)
    stream = await chunks(sdk, n=2)
    assert text_of(stream, 0) == text_of(stream, 1) == answer.choices[0].message.content
    assert house.slots.taken == 0


async def test_a_stream_on_the_wire_is_data_only_and_says_when_it_is_done(house: House) -> None:
    body = {"model": "scripted", "messages": HI, "stream": True}
    reply = await house.client.post("/v1/chat/completions", json=body)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-request-id"]
    *events, done, rest = reply.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    assert all(event.startswith("data: {") and "\n" not in event for event in events)


async def test_a_fault_in_the_middle_is_an_error_event(sdk: AsyncOpenAI, house: House) -> None:
    faulty = {"scripted": json.dumps({"fail": "raise", "at": 3, "delay_ms": 1})}
    said: list[ChatCompletionChunk] = []
    stream = await sdk.chat.completions.create(model="scripted", messages=HI, stream=True, metadata=faulty)
    with pytest.raises(openai.APIError) as caught:
        async for chunk in stream:
            said.append(chunk)  # noqa: PERF401 - what came before the fault is kept
    assert (caught.value.type, caught.value.code) == ("server_error", "server_error")
    assert text_of(said)
    assert house.slots.taken == 0


async def test_a_fault_before_anything_was_said_is_a_status(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        await chunks(sdk, metadata={"scripted": json.dumps({"fail": "raise"})})
    with pytest.raises(openai.BadRequestError) as caught:
        await chunks(sdk, metadata={"scripted": "nonsense"})
    assert caught.value.param == "metadata.scripted"


async def test_a_client_that_leaves_a_stream_frees_its_slot(sdk: AsyncOpenAI, house: House) -> None:
    reading = asyncio.create_task(chunks(sdk, metadata=HANG))
    await until(lambda: house.slots.taken == 1)
    reading.cancel()
    await until(lambda: house.slots.taken == 0)


async def test_more_than_slots_and_queue_hold_is_a_rate_limit(sdk: AsyncOpenAI, house: House) -> None:
    waiting = [asyncio.create_task(create(sdk, metadata=HANG)) for _ in range(3)]
    await until(lambda: house.slots.taken == 2 and house.slots.free() == 0 and house.slots.waiting == 1)
    with pytest.raises(openai.RateLimitError) as caught:
        await create(sdk)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "1"
    for task in waiting:
        task.cancel()
    await until(lambda: house.slots.taken == 0)


async def test_a_model_without_a_replica_is_unavailable_for_now(sdk: AsyncOpenAI, house: House) -> None:
    house.lanes.clear()
    with pytest.raises(openai.InternalServerError) as caught:
        await create(sdk)
    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "1"


async def test_an_unknown_model_is_not_found(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.chat.completions.create(model="nobody", messages=HI)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_a_prompt_that_is_too_long_is_refused(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await create(sdk, messages=[{"role": "user", "content": "word " * 2000}])
    assert caught.value.code == "context_length_exceeded"


async def test_the_service_tier_that_was_used_is_named(sdk: AsyncOpenAI) -> None:
    assert (await create(sdk, service_tier="fast")).service_tier == "priority"
    assert (await chunks(sdk, service_tier="flex"))[0].service_tier == "flex"


async def test_the_document_has_the_body_and_the_errors(house: House) -> None:
    document = (await house.client.get("/openapi.json")).json()
    for path, body in (("/v1/chat/completions", "ChatBody"), ("/v1/completions", "CompletionBody")):
        operation = document["paths"][path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{body}"}
        assert body in document["components"]["schemas"]
        assert {"400", "401", "404", "413", "429", "503"} < operation["responses"].keys()
        assert "422" not in operation["responses"]


async def until(fact: Any) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.001)
