"""The body of `POST /v1/responses`: what is taken, what is refused, and the request that it becomes."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from deployments.file_search import pipeline_of
from deployments.history.responses import skeleton
from deployments.ingestion.errors import api_error
from deployments.ingestion.input_items import kept_items, orphaned_output, references
from deployments.ingestion.responses_body import ResponsesBody
from pipelines.payloads import Request
from pipelines.steps import GENERATE, RAG, RAG_REQUIRED
from tests.factories import job_id, make_ports

GOOD: dict[str, Any] = {"model": "scripted", "input": "Hi"}
FUNCTION: dict[str, Any] = {"type": "function", "name": "now", "parameters": {"type": "object"}}
SEARCH: dict[str, Any] = {"type": "file_search", "vector_store_ids": ["vs_1"]}
CALL = {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "noon"}


def parse(**changes: Any) -> ResponsesBody:
    return ResponsesBody.model_validate_json(json.dumps(GOOD | changes))


def request(**changes: Any) -> Request:
    body = parse(**changes)
    return body.request(input=kept_items(body.input or [], make_ports().ids))


def schema(value: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "name": "answer", "schema": value}}


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"input": ""}, "invalid_value", "input"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": [5]}, "invalid_type", "input[0]"),
        ({"input": [{"role": "dog", "content": "x"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "invalid_value", "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "invalid_value", "input[0].content[0]"),
        ({"input": [{"type": "mcp_call"}]}, "invalid_value", "input[0]"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "invalid_value", "input[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "missing_required_parameter", "input[0].call_id"),
        (
            {"input": [OUTPUT | {"output": [{"type": "refusal", "refusal": "no"}]}]},
            "invalid_value",
            "input[0].output[0].type",
        ),
        ({"tools": [{"type": "web_search"}]}, "invalid_value", "tools[0]"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "invalid_value", "tools[0].name"),
        ({"tools": [FUNCTION, FUNCTION]}, "invalid_value", "tools"),
        ({"tools": [FUNCTION | {"parameters": {"type": 5}}]}, "invalid_json_schema", "tools[0].parameters"),
        ({"tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "now"}}, "invalid_value", "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "then"}}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "invalid_value", "tool_choice"),
        ({"text": {"format": {"type": "yaml"}}}, "invalid_value", "text.format"),
        ({"text": schema({"type": "animal"})}, "invalid_json_schema", "text.format.schema"),
        ({"include": ["everything"]}, "invalid_value", "include[0]"),
        ({"service_tier": "best"}, "invalid_value", "service_tier"),
        ({"background": True, "store": False}, "invalid_value", "store"),
        ({"previous_response_id": "a", "conversation": "b"}, "invalid_value", "previous_response_id"),
        ({"background_options": {"completion_window": "2h"}}, "invalid_value", "background_options.completion_window"),
        ({"max_output_tokens": 15}, "invalid_value", "max_output_tokens"),
        ({"tools": [SEARCH, SEARCH]}, "invalid_value", "tools"),
        ({"tools": [{"type": "file_search"}]}, "missing_required_parameter", "tools[0].vector_store_ids"),
        ({"tools": [SEARCH | {"vector_store_ids": []}]}, "invalid_value", "tools[0].vector_store_ids"),
        ({"tools": [SEARCH | {"max_num_results": 51}]}, "invalid_value", "tools[0].max_num_results"),
        ({"tools": [SEARCH | {"rerank": "perhaps"}]}, "invalid_value", "tools[0].rerank"),
        (
            {"tools": [SEARCH | {"ranking_options": {"score_threshold": 2}}]},
            "invalid_value",
            "tools[0].ranking_options.score_threshold",
        ),
        ({"max_tool_calls": 0}, "invalid_value", "max_tool_calls"),
        ({"top_logprobs": 21}, "invalid_value", "top_logprobs"),
        ({"temperature": 2.1}, "invalid_value", "temperature"),
        ({"top_p": 1.1}, "invalid_value", "top_p"),
        ({"safety_identifier": "x" * 129}, "invalid_value", "safety_identifier"),
        ({"metadata": {"a": 5}}, "invalid_type", "metadata.a"),
        ({"reasoning": {"effort": "heroic"}}, "invalid_value", "reasoning.effort"),
        ({"truncation": "some"}, "invalid_value", "truncation"),
        ({"conversation": 5}, "invalid_type", "conversation"),
        ({"prompt": {}}, "missing_required_parameter", "prompt.id"),
        ({"stream": "yes"}, "invalid_type", "stream"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(**changes)
    error = api_error(caught.value)
    assert (error.status, error.code, error.param) == (400, code, param), error.message


@pytest.mark.parametrize(
    "changes", [{"stream": True}, {"service_tier": "flex"}, {}], ids=["streamed", "another tier", "in the foreground"]
)
def test_a_completion_window_is_for_plain_background_responses(changes: dict[str, Any]) -> None:
    window = {"background": bool(changes), "background_options": {"completion_window": "2h"}}
    with pytest.raises(ValidationError, match="completion window"):
        parse(**window, **changes)


def test_a_completion_window_sets_deadline_and_low_priority() -> None:
    body = parse(background=True, background_options={"completion_window": "8h"})
    assert (body.deadline_s, body.priority) == (8 * 3600.0, -20)


@pytest.mark.parametrize(
    ("tier", "priority", "used"),
    [(None, 0, "default"), ("auto", 0, "default"), ("flex", -10, "flex"), ("fast", 10, "priority")],
)
def test_a_service_tier_is_a_priority(tier: str | None, priority: int, used: str) -> None:
    asked = request(service_tier=tier)
    assert asked.priority == priority
    assert skeleton(job_id(), asked)["service_tier"] == used


def test_text_is_what_the_user_said() -> None:
    (item,) = request().input or []
    assert item.pop("id").startswith("msg_")
    content = [{"type": "input_text", "text": "Hi"}]
    assert item == {"type": "message", "role": "user", "status": "completed", "content": content}


def test_items_are_kept_in_full() -> None:
    said = [{"role": "assistant", "content": "Yes."}, CALL, OUTPUT, {"type": "reasoning", "id": "rs_1", "summary": []}]
    kept = request(input=said).input or []
    assert kept[0]["content"] == [{"type": "output_text", "text": "Yes.", "annotations": [], "logprobs": []}]
    assert [item["id"].partition("_")[0] for item in kept] == ["msg", "fc", "fco", "rs"]
    assert kept[3]["id"] == "rs_1"
    assert all(item["status"] == "completed" for item in kept)


def test_an_item_that_is_only_an_id_is_a_reference() -> None:
    kept = request(input=[{"id": "msg_1"}, {"type": "item_reference", "id": "msg_2"}]).input or []
    assert references(kept) == ["msg_1", "msg_2"]


def test_an_output_needs_a_call_before_it() -> None:
    assert orphaned_output(request(input=[CALL, OUTPUT]).input or []) is None
    assert orphaned_output(request(input=[OUTPUT, CALL]).input or []) == "c1"


def test_likelihoods_are_asked_for_by_number_or_by_name() -> None:
    assert request().top_logprobs is None
    assert request(include=["message.output_text.logprobs"]).top_logprobs == 0
    assert request(top_logprobs=3).top_logprobs == 3


def test_the_response_repeats_what_was_asked() -> None:
    text = {**schema({"type": "object"}), "verbosity": "low"}
    asked = request(
        background=True,
        text=text,
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "now"},
        parallel_tool_calls=False,
        truncation="auto",
        reasoning={"effort": "low"},
        conversation={"id": "conv_1"},
        prompt={"id": "pmpt_1", "version": "2", "variables": {"a": "b"}},
        top_logprobs=2,
        max_tool_calls=3,
        prompt_cache_key="key",
        safety_identifier="safe",
        user="me",
        metadata={"a": "b"},
    )
    response = skeleton(job_id(), Request.model_validate_json(asked.encode()))
    assert response["tools"] == [{**FUNCTION, "description": None, "strict": None}]
    assert response["tool_choice"] == {"type": "function", "name": "now"}
    assert response["text"] == text
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["conversation"] == {"id": "conv_1"}
    assert response["prompt"] == {"id": "pmpt_1", "version": "2", "variables": {"a": "b"}}
    assert (response["parallel_tool_calls"], response["truncation"], response["top_logprobs"]) == (False, "auto", 2)
    assert (response["max_tool_calls"], response["prompt_cache_key"]) == (3, "key")
    assert (response["safety_identifier"], response["user"], response["metadata"]) == ("safe", "me", {"a": "b"})
    assert (response["status"], response["background"], response["store"]) == ("queued", True, True)


def test_a_foreground_response_is_in_progress_from_the_first() -> None:
    response = skeleton(job_id(), request(store=False))
    assert (response["status"], response["background"], response["store"]) == ("in_progress", False, False)


def test_unknown_fields_are_ignored() -> None:
    assert request(moderation={"model": "m"}, image={}, whatever=1).model == "scripted"


@pytest.mark.parametrize(
    ("tool", "choice", "pipeline"),
    [
        ({}, "auto", RAG),
        ({}, {"type": "file_search"}, RAG),
        ({}, {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "file_search"}]}, RAG),
        ({"rerank": "required"}, "required", RAG_REQUIRED),
        ({}, "none", GENERATE),
    ],
)
def test_a_file_search_chooses_the_pipeline_and_is_repeated_as_it_was_said(
    tool: dict[str, Any], choice: Any, pipeline: str
) -> None:
    said = SEARCH | tool
    asked = request(tools=[said], tool_choice=choice)
    assert pipeline_of(asked) == pipeline
    assert skeleton(job_id(), asked)["tools"] == [said]


def test_an_earlier_search_may_be_sent_back_as_it_came() -> None:
    call = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["a"], "results": None}
    assert (request(input=[call, {"role": "user", "content": "And?"}]).input or [])[0] == call
