"""What comes in with its prompt, and what is left to prompting."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from deployments.ingestion.cards import ModelCard
from deployments.ingestion.door import Call, Door
from pipelines.commands import INLINE_BYTES, Submit
from pipelines.errors import RejectError
from pipelines.payloads import Message, Prompt, Request, Turn
from tests.factories import INFERENCE, PROMPTING, make_ports
from tests.ingestion_house import CONTEXT, House, renderer

HI = [Message(role="user", content="Hi there")]
CALL = Call(tenant="default", size=100)
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"]}
TURN = Turn(request=f"{'0' * 64}:2", result=f"{'1' * 64}:2")


class Broken:
    """A renderer that cannot render, for a reason that nobody has thought of."""

    def __getattr__(self, name: str) -> Any:
        return getattr(renderer(), name)

    def prompt(self, request: Request) -> Prompt:
        raise ZeroDivisionError(request.model)


class Counting:
    """A renderer that counts how often it renders."""

    def __init__(self) -> None:
        self.times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(renderer(), name)

    def check_length(self, request: Request) -> None:
        self.prompt(request)

    def prompt(self, request: Request) -> Prompt:
        self.times += 1
        return renderer().prompt(request)


@pytest.fixture
def door(house: House) -> Door:
    return house.service._door


def asked(**fields: Any) -> Request:
    return Request(**{"model": "scripted", "messages": HI, **fields})


def prompt_of(command: Submit) -> Prompt:
    assert command.rendered is not None
    assert command.rendered.data is not None
    return Prompt.model_validate_json(command.rendered.data)


async def test_a_plain_request_comes_with_its_prompt(door: Door) -> None:
    request = asked(instructions="Be kind.", temperature=0.5, max_output_tokens=7)
    command = await door.prepare(request, CALL)
    assert command.first_step.topic == INFERENCE
    assert prompt_of(command) == renderer().prompt(request)
    assert command.input_tokens == 4


@pytest.mark.parametrize(
    "request_",
    [
        asked(messages=None, template="explain", variables={"topic": "rain", "audience": "cats"}),
        asked(messages=[Message(role="user", content="x" * INLINE_BYTES)]),
        asked(context=[TURN]),
    ],
    ids=["template", "long", "earlier turns"],
)
async def test_what_takes_longer_is_left_to_prompting(door: Door, request_: Request) -> None:
    command = await door.prepare(request_, CALL)
    assert command.rendered is None
    assert command.first_step.topic == PROMPTING


async def test_what_is_searched_for_comes_before_the_prompt(house: House) -> None:
    door = Door(
        journal=house.journal,
        blobs=house.blobs,
        renderer=renderer(),
        models=house.service.models,
        ports=make_ports(),
        searches=True,
    )
    command = await door.prepare(asked(tools=[SEARCH], tool_choice="none"), CALL)
    assert command.first_step.topic == INFERENCE
    store = (await house.client.post("/v1/vector_stores", json={"name": "books"})).json()["id"]
    words = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Where?"}]}
    tools = [SEARCH | {"vector_store_ids": [store]}]
    command = await door.prepare(asked(messages=None, input=[words], tools=tools), CALL)
    assert command.first_step.topic == "topic.retrieval"


async def test_a_prompt_that_does_not_fit_is_refused_where_it_comes_in(door: Door) -> None:
    with pytest.raises(RejectError) as caught:
        await door.prepare(asked(max_output_tokens=CONTEXT), CALL)
    assert caught.value.code == "context_length_exceeded"


async def test_an_answer_to_no_call_is_refused_where_it_comes_in(house: House) -> None:
    answer = {"type": "function_call_output", "call_id": "call_1", "output": "5"}
    body = {"model": "scripted", "input": [answer], "background": True}
    reply = await house.client.post("/v1/responses", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "input")


async def test_what_cannot_be_rendered_for_no_known_reason_is_left_to_prompting(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    cards = {"scripted": ModelCard(name="scripted", context=CONTEXT, default_max_output_tokens=16)}
    door = Door(journal=house.journal, blobs=house.blobs, renderer=Broken(), models=cards, ports=make_ports())
    with caplog.at_level(logging.ERROR, "heliograph"):
        command = await door.prepare(asked(), CALL)
    assert command.first_step.topic == PROMPTING
    assert "left to prompting" in caplog.text


@pytest.mark.parametrize("size", [100, CONTEXT], ids=["short", "perhaps too long"])
async def test_a_plain_prompt_is_rendered_once(house: House, size: int) -> None:
    cards = {"scripted": ModelCard(name="scripted", context=CONTEXT, default_max_output_tokens=16)}
    counting = Counting()
    door = Door(journal=house.journal, blobs=house.blobs, renderer=counting, models=cards, ports=make_ports())
    command = await door.prepare(asked(), replace(CALL, size=size))
    assert prompt_of(command) == renderer().prompt(asked())
    assert counting.times == 1
