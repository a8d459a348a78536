"""Errors as clients see them: OpenAI's shape, always with all four keys, and the status that its SDK acts on."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from deployments.batching.view import UnknownBatchError
from deployments.history.conversations import UnknownConversationError, UnknownItemError
from deployments.history.history import UnknownJobError
from deployments.history.prompts import UnknownTemplateError
from deployments.inference.slots import QueueFullError
from deployments.knowledge.files import UnknownFileError
from deployments.knowledge.uploads import UnknownUploadError
from deployments.knowledge.vector_errors import TOO_MANY, BacklogFullError, KeyConflictError
from pipelines.errors import HeliographError, RejectError, TransientError

OWN_CODES = frozenset(
    {"invalid_json_schema", "invalid_type", "invalid_value", "missing_required_parameter", "unsupported_parameter"}
)
_NOT_FOUND = frozenset(
    {
        "template_not_found",
        "model_not_found",
        "vector_store_not_found",
        "vector_store_file_not_found",
        "file_batch_not_found",
    }
)
_UNKNOWN: dict[type[Exception], tuple[str, str]] = {
    UnknownJobError: ("Response", "response_not_found"),
    UnknownConversationError: ("Conversation", "conversation_not_found"),
    UnknownItemError: ("Item", "item_not_found"),
    UnknownTemplateError: ("Prompt", "prompt_not_found"),
    UnknownFileError: ("File", "file_not_found"),
    UnknownUploadError: ("Upload", "upload_not_found"),
    UnknownBatchError: ("Batch", "batch_not_found"),
}
_TAG = re.compile("<[a-z_]+>")
RETRY_AFTER_S = 1  # where nobody knows better; HTTP has whole seconds
CONVERSATION_LOCKED = "conversation_locked"  # a conflict that passes
INSUFFICIENT_QUOTA = "insufficient_quota"  # a code that is a type of its own


class ApiError(HeliographError):
    """A reply that is an error. `status` is HTTP's; `retry_after_s` matters where the client is to come again."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float = RETRY_AFTER_S,
    ) -> None:
        super().__init__(status, message, code, param, retry_after_s)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """The error in OpenAI's shape."""
        return {"error": {"message": self.message, "type": self._kind(), "param": self.param, "code": self.code}}

    def headers(self) -> Mapping[str, str]:
        """What tells the client whether and when to come again."""
        if self.code == CONVERSATION_LOCKED:
            return {"retry-after": str(max(RETRY_AFTER_S, ceil(self.retry_after_s)))}
        if self.status == HTTPStatus.CONFLICT or self.code == INSUFFICIENT_QUOTA:  # the SDK would try it again
            return {"x-should-retry": "false"}
        later = self.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
        return {"retry-after": str(max(RETRY_AFTER_S, ceil(self.retry_after_s)))} if later else {}

    def _kind(self) -> str:
        if self.code == INSUFFICIENT_QUOTA:
            return INSUFFICIENT_QUOTA
        return "invalid_request_error" if self.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"


def api_error(error: Exception) -> ApiError:
    """What a client is told of an exception. An unknown one says nothing about our inside."""
    match error:
        case HeliographError():
            return _of_ours(error)
        case LookupError() if type(error) in _UNKNOWN:
            thing, code = _UNKNOWN[type(error)]
            return ApiError(404, f"{thing} with id '{error.args[0]}' not found.", code)
        case RequestValidationError():
            problem = error.errors()[0]
            return _invalid(problem | {"loc": problem["loc"][1:]})  # without the part of the request, which comes first
        case ValidationError():
            return _invalid(error.errors()[0])
        case HTTPException():
            return ApiError(error.status_code, str(error.detail), None)
        case _:
            return ApiError(500, "The server had an error while processing your request.", "server_error")


def too_many() -> ApiError:
    """The tenant has as many open jobs as it may."""
    return ApiError(429, TOO_MANY, "rate_limit_exceeded")


def over_budget() -> ApiError:
    """The tenant's token budget has too little left; it will not have more for waiting a second."""
    return ApiError(429, "The token budget of this account has too little left.", INSUFFICIENT_QUOTA)


def error_response(error: ApiError) -> Response:
    """The reply."""
    return Response(to_json(error.body()), error.status, error.headers(), "application/json")


def install(app: FastAPI) -> None:
    """Answer every exception that has a meaning of its own; the rest is the outermost middleware's."""
    for kind in (*_UNKNOWN, HeliographError, RequestValidationError, ValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        error = ApiError(404, f"Invalid URL ({request.method} {request.url.path})", "not_found")
    response = error_response(api_error(error))
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """Those of this path in all its routes. Starlette itself tells of one route only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next(route.path for route in routes if route.matches(request.scope)[0] is Match.PARTIAL)
    return sorted({method for route in routes if route.path == path for method in route.methods or ()})


def _of_ours(error: HeliographError) -> ApiError:
    match error:
        case ApiError():
            return error
        case RejectError():
            return ApiError(404 if error.code in _NOT_FOUND else 400, str(error), error.code, error.param)
        case KeyConflictError():
            return ApiError(409, str(error), "idempotency_conflict")
        case QueueFullError() | BacklogFullError():
            return ApiError(429, str(error), "rate_limit_exceeded", retry_after_s=error.retry_after_s or RETRY_AFTER_S)
        case TransientError():
            return _unavailable(error.retry_after_s or RETRY_AFTER_S)
        case _:
            return _unavailable()


def _unavailable(retry_after_s: float = RETRY_AFTER_S) -> ApiError:
    message = "The server cannot take this at the moment. Please try again."
    return ApiError(503, message, "server_error", retry_after_s=retry_after_s)


def _invalid(problem: Any) -> ApiError:
    """One complaint of pydantic. The first is enough: clients show one message."""
    kind, param = problem["type"], _param(problem["loc"])
    where = f" in '{param}'" if param else ""
    if kind == "json_invalid":
        return ApiError(
            400, f"The body is not valid JSON: {problem['msg'].removeprefix('Invalid JSON: ')}", "invalid_json"
        )
    if kind == "missing":
        return ApiError(400, f"Missing required parameter: '{param}'.", "missing_required_parameter", param)
    if kind in OWN_CODES:
        return ApiError(400, problem["msg"], kind, problem.get("ctx", {}).get("param", param))
    code = "invalid_type" if kind.endswith(("_type", "_parsing", "int_from_float")) else "invalid_value"
    return ApiError(400, f"Invalid {code.removeprefix('invalid_')}{where}: {problem['msg']}.", code, param)


def _param(location: tuple[int | str, ...]) -> str | None:
    """`messages[0].content` of ("messages", 0, "<tag of a union>", "content")."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _TAG.fullmatch(part):
            path += f".{part}" if path else part
    return path or None
