import json
from typing import Any

import pytest
from pydantic import ValidationError

from deployments.ingestion.chat_body import ChatBody
from deployments.ingestion.completion_body import CompletionBody
from deployments.ingestion.errors import api_error
from pipelines.payloads import Request

HI: dict[str, Any] = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def parse(**fields: Any) -> ChatBody:
    return ChatBody.model_validate_json(json.dumps({"model": "m", "messages": [HI], **fields}))


def request(**fields: Any) -> Request:
    return parse(**fields).request()


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "invalid_value", "messages[0]"),
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "invalid_type", "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "invalid_value",
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "assistant"}]}, "invalid_value", "messages[0]"),
        (
            {"messages": [HI, {"role": "tool", "content": "3", "tool_call_id": "c9"}]},
            "invalid_value",
            "messages[1].tool_call_id",
        ),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"temperature": "1"}, "invalid_type", "temperature"),
        ({"n": 0}, "invalid_value", "n"),
        ({"n": 9}, "invalid_value", "n"),
        ({"top_logprobs": 3}, "invalid_value", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "invalid_value", "top_logprobs"),
        ({"stop": ["a"] * 17}, "invalid_value", "stop"),
        ({"stop": ""}, "invalid_value", "stop"),
        ({"seed": 2**63}, "invalid_value", "seed"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"service_tier": "gold"}, "invalid_value", "service_tier"),
        ({"logit_bias": {"1": 1}}, "unsupported_parameter", "logit_bias"),
        ({"functions": [{"name": "f"}]}, "unsupported_parameter", "functions"),
        ({"audio": {"voice": "x"}}, "unsupported_parameter", "audio"),
        ({"modalities": ["text", "audio"]}, "invalid_value", "modalities[1]"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "invalid_value", "tools[0].function.name"),
        ({"tools": [{"type": "web_search"}]}, "invalid_value", "tools[0].type"),
        ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "go"}}},
            "invalid_value",
            "tool_choice",
        ),
        ({"response_format": {"type": "xml"}}, "invalid_value", "response_format"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "thing"}}}},
            "invalid_json_schema",
            "response_format.json_schema.schema",
        ),
    ],
)
def test_a_bad_body_is_refused_with_code_and_parameter(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(**fields)
    error = api_error(caught.value)
    assert (error.status, error.code, error.param) == (400, code, param)


def test_a_conversation_with_calls_keeps_all_its_turns() -> None:
    said: list[Any] = [
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
        HI,
        CALLING,
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
        {"role": "assistant", "content": "So.", "reasoning_content": "Hm."},
    ]
    messages = request(messages=said, tools=[TOOL]).messages
    assert messages is not None
    assert [(m.role, m.content) for m in messages[:3]] == [("developer", "Be kind."), ("user", "Hi"), ("assistant", "")]
    assert [(call.id, call.name, call.arguments) for call in messages[2].tool_calls or []] == [("c1", "look", "{}")]
    assert (messages[3].tool_call_id, messages[4].reasoning) == ("c1", "Hm.")


def test_tools_choice_and_format_take_the_form_of_the_responses_api() -> None:
    schema = {"type": "object"}
    asked = request(
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "look"}},
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}},
    )
    assert asked.tools[0] | {} == {
        "type": "function", "name": "look", "description": None, "parameters": schema, "strict": None,
    }  # fmt: skip
    assert asked.tool_choice == {"type": "function", "name": "look"}
    assert asked.format == {"type": "json_schema", "name": "n", "schema": schema, "strict": True}


def test_an_allowed_choice_is_one_of_the_tools() -> None:
    choice = {"type": "function", "function": {"name": "look"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [choice]}}
    tools = [{"type": "function", "name": "look"}]
    assert request(tools=[TOOL], tool_choice=allowed).tool_choice == {
        "type": "allowed_tools", "mode": "required", "tools": tools,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "top_logprobs"),
    [({}, None), ({"logprobs": False}, None), ({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 3}, 3)],
)
def test_likelihoods_are_asked_for_by_two_fields(fields: dict[str, Any], top_logprobs: int | None) -> None:
    assert request(**fields).top_logprobs == top_logprobs


def test_the_newer_limit_wins_and_a_priority_wins_over_the_tier() -> None:
    asked = request(max_tokens=5, max_completion_tokens=7, service_tier="flex", priority=3)
    assert (asked.max_output_tokens, asked.priority) == (7, 3)
    assert request(service_tier="flex").priority < request().priority < request(service_tier="priority").priority


def test_what_changes_nothing_is_taken() -> None:
    parse(
        store=True, prediction={"type": "content", "content": "x"}, verbosity="low", user="u", audio=None, logit_bias={}
    )


@pytest.mark.parametrize(
    ("prompt", "prompts"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]])]
)
def test_the_prompts_of_a_completion_have_four_forms(prompt: Any, prompts: list[Any]) -> None:
    body = CompletionBody.model_validate_json(json.dumps({"model": "m", "prompt": prompt}))
    assert body.prompts == prompts
    assert body.request().max_output_tokens == 16
