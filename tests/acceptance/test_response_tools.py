"""Structured output, function calls and reasoning, as the scripted engine is told to say them."""

import json
from typing import Any

import openai as sdk_errors
import pytest
from pydantic import BaseModel

from tests.acceptance.asking import asked

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class City(BaseModel):
    name: str
    people: int


def says(text: str, **options: Any) -> dict[str, Any]:
    return asked({"text": text}, max_output_tokens=2000, **options)


def test_structured_output_is_parsed_by_the_sdk(openai: Any) -> None:
    parsed = openai.responses.parse(**says('{"name": "Zürich", "people": 7}'), text_format=City)
    assert parsed.output_parsed == City(name="Zürich", people=7)


def test_a_schema_that_is_none_is_refused(openai: Any) -> None:
    text: Any = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "nonsense"}}}
    with pytest.raises(sdk_errors.BadRequestError) as caught:
        openai.responses.create(**asked(text=text))
    assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "text.format.schema")


def test_a_forced_call_is_streamed_as_arguments(openai: Any) -> None:
    arguments = '{"city": "Genève"}'
    choice: Any = {"type": "function", "name": "weather"}
    events = list(openai.responses.create(**says(arguments, tools=[WEATHER], tool_choice=choice, stream=True)))
    deltas = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    (call,) = events[-1].response.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Genève"})
    assert (deltas, call.status) == (call.arguments, "completed")
    assert events[-1].response.tools[0].name == "weather"
    answer: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
    following = openai.responses.create(**asked(input=[answer], previous_response_id=events[-1].response.id))
    assert following.status == "completed"


def test_an_answer_to_no_call_is_refused(openai: Any) -> None:
    answer: Any = {"type": "function_call_output", "call_id": "call_none", "output": "Sunny."}
    with pytest.raises(sdk_errors.BadRequestError):
        openai.responses.create(**asked(input=[answer]))


def test_likelihoods_come_with_the_tokens(openai: Any) -> None:
    response = openai.responses.create(**asked(top_logprobs=2, include=["message.output_text.logprobs"]))
    (part,) = response.output[0].content
    assert part.logprobs
    assert "".join(likely.token for likely in part.logprobs) == response.output_text
    assert all(len(likely.top_logprobs) == 2 for likely in part.logprobs)
