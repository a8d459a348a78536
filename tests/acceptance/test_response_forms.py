"""Every way to ask for a response: the same text and usage, and streams as the SDK and Open Responses want them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response

from tests.acceptance.asking import asked, poll
from tests.open_responses import STREAMING_EVENTS, ResponseResource
from tests.servers import ServerProcess

HEAD = ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
TAIL = ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]


def plain(sdk: OpenAI) -> Response:
    response: Response = sdk.responses.create(**asked())
    return response


def background(sdk: OpenAI) -> Response:
    return poll(sdk, sdk.responses.create(**asked(background=True)))


def streamed(sdk: OpenAI) -> Response:
    events = list(sdk.responses.create(**asked(stream=True)))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    types = [event.type for event in events]
    assert (types[:4], types[-4:]) == (HEAD, TAIL)
    assert set(types[4:-4]) == {"response.output_text.delta"}
    return _whole(events)


def background_streamed(sdk: OpenAI) -> Response:
    events = list(sdk.responses.create(**asked(stream=True, background=True)))
    types = [event.type for event in events]
    assert (types[:5], types[-4:]) == (["response.created", "response.queued", *HEAD[1:]], TAIL)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return _whole(events)


def helper(sdk: OpenAI) -> Response:
    with sdk.responses.stream(**asked()) as stream:
        response: Response = stream.get_final_response()
    return response


def _whole(events: list[Any]) -> Response:
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    response: Response = events[-1].response
    assert events[0].response.id == response.id
    assert response.output_text == text
    return response


@pytest.mark.parametrize("ask", [plain, background, streamed, background_streamed, helper])
def test_each_way_gives_the_same(openai: OpenAI, ask: Callable[[OpenAI], Response]) -> None:
    response, other = ask(openai), plain(openai)
    assert (response.status, response.output_text) == ("completed", other.output_text)
    assert response.usage == other.usage
    assert response.usage is not None
    assert response.usage.output_tokens == 12
    stored = openai.responses.retrieve(response.id)
    assert stored.to_dict() == {**response.to_dict(), "output": stored.to_dict()["output"]}
    assert stored.output_text == response.output_text


async def test_the_asynchronous_client_sees_the_same(ingress: ServerProcess) -> None:
    async with AsyncOpenAI(
        base_url=f"{ingress.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
    ) as sdk:
        whole, stream = await asyncio.gather(
            sdk.responses.create(**asked()), sdk.responses.create(**asked(stream=True))
        )
        events = [event async for event in stream]
        assert _whole(events).output_text == whole.output_text
        async with sdk.responses.stream(**asked(background=True)) as helped:
            assert (await helped.get_final_response()).output_text == whole.output_text


def test_open_responses_accepts_the_objects_and_the_events(openai: OpenAI) -> None:
    events = list(openai.responses.create(**asked(stream=True, background=True)))
    told = [STREAMING_EVENTS[event.type].model_validate(event.to_dict(mode="json")) for event in events]
    assert [event.model_dump()["sequence_number"] for event in told] == list(range(len(events)))
    response = openai.responses.retrieve(events[-1].response.id)
    assert ResponseResource.model_validate(response.to_dict(mode="json")).id == response.id
