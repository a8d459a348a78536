"""Each kind of bad input is a clear 4xx from a real server, and nothing is enqueued."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.servers import ServerProcess

GOOD: dict[str, Any] = {"model": "scripted", "prompt": "Hi"}
EXPLAIN = {"model": "scripted", "template": "explain"}
MIB = 1024 * 1024


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (GOOD | {"model": "nobody"}, 404, "model_not_found", "model"),
        (EXPLAIN | {"template": "nowhere"}, 404, "template_not_found", "template"),
        (EXPLAIN | {"template": "../models/scripted"}, 404, "template_not_found", "template"),
        (EXPLAIN | {"template": "{{ ().__class__.__mro__ }}"}, 404, "template_not_found", "template"),
        (EXPLAIN | {"variables": {"topic": "rain"}}, 400, "missing_required_parameter", "variables.audience"),
        (EXPLAIN | {"variables": {"topic": 5, "audience": "x"}}, 400, "invalid_type", "variables.topic"),
        ({"prompt": "Hi"}, 400, "missing_required_parameter", "model"),
        (GOOD | {"model": ["scripted"]}, 400, "invalid_type", "model"),
        (GOOD | {"max_output_tokens": "many"}, 400, "invalid_type", "max_output_tokens"),
        (GOOD | {"temperature": 3}, 400, "invalid_value", "temperature"),
        (GOOD | {"messages": []}, 400, "invalid_value", "messages"),
        (GOOD | {"prompt": "word " * 1_000_001}, 400, "context_length_exceeded", None),
        (GOOD | {"max_output_tokens": 1_000_001}, 400, "context_length_exceeded", "max_output_tokens"),
    ],
)
def test_a_bad_request_is_refused(http: httpx.Client, body: Any, status: int, code: str, param: str | None) -> None:
    newest = http.get("/jobs", params={"limit": 1}).json()["first_id"]
    reply = http.post("/async-generate", content=json.dumps(body))
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param), error
    assert set(error) == {"message", "type", "param", "code"}
    assert http.get("/jobs", params={"limit": 1}).json()["first_id"] == newest


def test_a_variable_is_text_and_never_a_template(http: httpx.Client) -> None:
    trap = "{{ ().__class__.__base__.__subclasses__() }}"
    reply = http.post("/async-generate", json=EXPLAIN | {"variables": {"topic": trap, "audience": "x"}})
    assert reply.status_code == 202


@pytest.mark.parametrize("body", [b"", b"{", b"Hi", b"\xff\xfe"])
@pytest.mark.parametrize("path", ["/async-generate", "/v1/responses"])
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, path: str, body: bytes) -> None:
    reply = http.post(path, content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_above_ten_mebibytes_is_refused(http: httpx.Client, *, declared: bool) -> None:
    body = b"x" * (10 * MIB + 1)
    parts = (body[i : i + MIB] for i in range(0, len(body), MIB))
    reply = http.post("/async-generate", content=body if declared else parts)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


def test_an_unknown_route_is_refused_in_the_same_shape(http: httpx.Client) -> None:
    reply = http.get("/v1/nowhere")
    assert reply.status_code == 404
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/jobs", "/jobs?limit=0", "/jobs?after=nonsense", "/jobs?status=lost"])
def test_bad_list_parameters_are_refused(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == (200 if path == "/jobs" else 400)
