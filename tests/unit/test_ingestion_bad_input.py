"""Every kind of bad input is a clear 4xx in OpenAI's shape, and nothing is enqueued."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.ingestion_house import CONTEXT, House

GOOD: dict[str, Any] = {"model": "scripted", "prompt": "Hi"}
EXPLAIN = {"model": "scripted", "template": "explain"}


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (GOOD | {"model": "nobody"}, 404, "model_not_found", "model"),
        (GOOD | {"model": "nul\0"}, 404, "model_not_found", "model"),
        ({"prompt": "Hi"}, 400, "missing_required_parameter", "model"),
        ({"model": "scripted"}, 400, "missing_required_parameter", None),
        ({}, 400, "missing_required_parameter", "model"),
        (GOOD | {"template": "explain"}, 400, "invalid_value", None),
        (GOOD | {"variables": {}}, 400, "invalid_value", None),
        (EXPLAIN | {"template": "nowhere"}, 404, "template_not_found", "template"),
        (EXPLAIN | {"template": "../../etc/passwd"}, 404, "template_not_found", "template"),
        (EXPLAIN | {"template": "{{ ().__class__.__mro__ }}"}, 404, "template_not_found", "template"),
        (EXPLAIN | {"variables": {"topic": "rain"}}, 400, "missing_required_parameter", "variables.audience"),
        (EXPLAIN | {"variables": {"topic": 5}}, 400, "invalid_type", "variables.topic"),
        (EXPLAIN | {"variables": ["rain"]}, 400, "invalid_type", "variables"),
        (GOOD | {"model": 5}, 400, "invalid_type", "model"),
        (GOOD | {"model": None}, 400, "invalid_type", "model"),
        (GOOD | {"prompt": ["Hi"]}, 400, "invalid_type", "prompt"),
        (GOOD | {"prompt": ""}, 400, "invalid_value", "prompt"),
        (GOOD | {"max_output_tokens": "16"}, 400, "invalid_type", "max_output_tokens"),
        (GOOD | {"max_output_tokens": 1.5}, 400, "invalid_type", "max_output_tokens"),
        (GOOD | {"max_output_tokens": True}, 400, "invalid_type", "max_output_tokens"),
        (GOOD | {"max_output_tokens": 0}, 400, "invalid_value", "max_output_tokens"),
        (GOOD | {"max_output_tokens": 10**30}, 400, "invalid_value", "max_output_tokens"),
        (GOOD | {"temperature": 2.5}, 400, "invalid_value", "temperature"),
        (GOOD | {"temperature": float("nan")}, 400, "invalid_value", "temperature"),
        (GOOD | {"deadline_s": float("inf")}, 400, "invalid_value", "deadline_s"),
        (GOOD | {"deadline_s": 0}, 400, "invalid_value", "deadline_s"),
        (GOOD | {"priority": 10**9}, 400, "invalid_value", "priority"),
        (GOOD | {"metadata": {"a": 5}}, 400, "invalid_type", "metadata.a"),
        (GOOD | {"metadata": {str(i): "" for i in range(17)}}, 400, "invalid_value", "metadata"),
        (GOOD | {"metadata": {"a": "x" * 513}}, 400, "invalid_value", "metadata.a"),
        ({"model": "scripted", "messages": []}, 400, "invalid_value", "messages"),
        ({"model": "scripted", "messages": "Hi"}, 400, "invalid_type", "messages"),
        (
            {"model": "scripted", "messages": [{"role": "user"}]},
            400,
            "missing_required_parameter",
            "messages[0].content",
        ),
        ({"model": "scripted", "messages": [{"role": "dog", "content": ""}]}, 400, "invalid_value", "messages[0].role"),
        (
            {"model": "scripted", "messages": [{"role": "user", "content": 5}]},
            400,
            "invalid_type",
            "messages[0].content",
        ),
        (GOOD | {"max_output_tokens": CONTEXT}, 400, "context_length_exceeded", "max_output_tokens"),
        ({"model": "scripted", "prompt": "a " * (CONTEXT + 1)}, 400, "context_length_exceeded", None),
        (
            EXPLAIN | {"variables": {"topic": "a " * CONTEXT, "audience": "b"}},
            400,
            "context_length_exceeded",
            None,
        ),
    ],
)
async def test_a_bad_body_is_refused(house: House, body: Any, status: int, code: str, param: str | None) -> None:
    reply = await house.client.post("/async-generate", content=json.dumps(body))
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param), error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert (await house.client.get("/jobs")).json()["data"] == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"Hi", b"\xff", b'{"model": "\\ud800"}', b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"]
)
@pytest.mark.parametrize("path", ["/async-generate", "/v1/responses"])
async def test_a_body_that_is_no_json_is_refused(house: House, path: str, body: bytes) -> None:
    reply = await house.client.post(path, content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"Hi"', b"5"])
async def test_a_body_that_is_no_object_is_refused(house: House, body: bytes) -> None:
    reply = await house.client.post("/async-generate", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_type")


@pytest.mark.parametrize("path", ["/async-generate", "/v1/responses", "/jobs/x/cancel"])
async def test_a_body_above_the_limit_is_refused_by_its_declared_length(house: House, path: str) -> None:
    reply = await house.client.post(path, content=b"x" * 100_001)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_body_above_the_limit_is_refused_as_it_comes_in(house: House) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    reply = await house.client.post("/async-generate", content=parts())
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_long_body_whose_prompt_fits_is_accepted(house: House) -> None:
    assert await house.post(prompt="a" * (CONTEXT * 2))


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/jobs", 405)])
async def test_routes_that_do_not_exist_are_refused_in_the_same_shape(
    house: House, method: str, path: str, status: int
) -> None:
    reply = await house.client.request(method, path)
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/prompts", "GET, POST"), ("/v1/responses/resp_1", "DELETE, GET"), ("/dead-letters/redrive", "POST")],
)
async def test_a_wrong_method_is_told_all_the_right_ones(house: House, path: str, allowed: str) -> None:
    reply = await house.client.put(path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
