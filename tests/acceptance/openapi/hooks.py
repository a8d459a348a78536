"""What is peculiar to us in the requests that schemathesis makes up, and in the replies to them."""

import itertools
import json
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

from tests.acceptance.openapi.things import Things

MOST_TOKENS = 64  # the scripted engine says as many as it may
MODELS = {"/v1/embeddings": "all-minilm-l6-v2"}  # by path; elsewhere it is the scripted one
_KEYS = {"message", "type", "param", "code"}
_things = Things()
_numbers = itertools.count()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - the tool's names
    """Half of the requests are about what exists; the others meet nothing, mostly."""
    if isinstance(case.body, dict):
        case.body = _short(case.body)
    if next(_numbers) % 2:
        return
    if case.path_parameters:
        case.path_parameters = _things.named(dict(case.path_parameters))
    if isinstance(case.body, dict) and "model" in case.body:
        case.body = {**case.body, "model": MODELS.get(case.path, "scripted")}


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:  # noqa: ARG001 - likewise
    if case.method == "DELETE" and response.status_code < 300:
        _things.forget(case.path_parameters or {})


@schemathesis.check
def error_in_openai_shape(ctx: CheckContext, response: Response, case: Case[Any]) -> None:  # noqa: ARG001 - likewise
    """With all four keys, never FastAPI's 422, and the header that says whether to come again."""
    assert response.status_code != 422
    assert response.headers["x-request-id"][0].startswith("req_")
    if response.status_code < 400 or response.request.method == "HEAD":
        return
    error = json.loads(response.content)["error"]
    assert set(error) == _KEYS, error
    assert error["message"], error
    assert "Traceback" not in error["message"], error
    if response.status_code in (409, 429, 503):
        assert {"retry-after", "x-should-retry"} & set(response.headers), response.headers


@schemathesis.check
def whole_stream(ctx: CheckContext, response: Response, case: Case[Any]) -> None:  # noqa: ARG001 - likewise
    """A stream is there to its end."""
    if response.headers.get("content-type", [""])[0].startswith("text/event-stream"):
        assert response.content.endswith(b"data: [DONE]\n\n"), response.content[-200:]


def _short(body: dict[str, Any]) -> dict[str, Any]:
    """The body, asking for no long text."""
    limits = ("max_output_tokens", "max_tokens", "max_completion_tokens")
    long = [name for name in limits if isinstance(body.get(name), int) and body[name] > MOST_TOKENS]
    return {**body, **dict.fromkeys(long, MOST_TOKENS)}
