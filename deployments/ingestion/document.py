"""The OpenAPI document: every operation with its body, its reply, and the errors that it can really answer.

FastAPI announces a 422 for every parameter; here a bad one is a 400, so the document is corrected. Replies in OpenAI's
shape are described by the types of OpenAI's own client, which are imported only when somebody asks for the document.
"""

from collections.abc import Mapping
from http import HTTPStatus
from importlib import import_module
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

_MODELS = "#/components/schemas/"
_FAULTS = {
    400: "The request is at fault",
    401: "The key is unknown",
    404: "There is no such object",
    409: "It contradicts another request",
    413: "The body is too large",
    429: "Too much is asked for",
    503: "Not at the moment; Retry-After says when",
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_BODY = "x-body"  # what an operation keeps for the document until that is made: which model its body is,
_REPLY = "x-reply"  # and which type of the client its reply is
_UNUSED = frozenset({"HTTPValidationError", "ValidationError"})  # of the 422
_STREAM: dict[str, Any] = {"text/event-stream": {"schema": {}}}  # OpenAPI 3.1 has no words for events


def described(
    body: type[BaseModel] | None = None, *, reply: str = "", required: bool = True, streams: bool = False
) -> dict[str, Any]:
    """`openapi_extra` of a route that reads this body by itself, and replies with this of `openai.types`."""
    extra: dict[str, Any] = {_REPLY: reply}
    if streams:
        extra["responses"] = {"200": {"content": _STREAM}}
    if body is not None:
        extra[_BODY] = f"{body.__module__}.{body.__name__}"
        content = {"application/json": {"schema": {"$ref": f"{_MODELS}{body.__name__}"}}}
        extra["requestBody"] = {"required": required, "content": content}
    return extra


def install(app: FastAPI, plain: Mapping[str, dict[str, Any]]) -> None:
    """Let the application describe itself truly; `plain` has the POST operations that FastAPI does not see, by path."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, plain)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI describes


def _document(app: FastAPI, plain: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    document = get_openapi(title=app.title, version="1", routes=app.routes)
    document["paths"] |= {path: {"post": dict(operation)} for path, operation in plain.items()}
    schemas: dict[str, Any] = {**document["components"]["schemas"], "Error": _ERROR}
    for path in document["paths"].values():
        for operation in path.values():
            if body := operation.pop(_BODY, ""):
                schemas |= _schemas_of(body, prefix="")
            if reply := operation.pop(_REPLY, ""):
                schemas |= _reply(operation["responses"], reply)
            _correct(operation["responses"])
    _widen(schemas)
    document["components"] = {"schemas": {name: each for name, each in schemas.items() if name not in _UNUSED}}
    return document


def _widen(schemas: Mapping[str, Any]) -> None:
    """What its client's types do not know, and OpenAI does: files for evals, and vectors in base64."""
    schemas["openai.FileObject"]["properties"]["purpose"]["enum"].append("evals")
    vector = schemas["openai.Embedding"]["properties"]
    vector["embedding"] = {"anyOf": [vector["embedding"], {"type": "string", "contentEncoding": "base64"}]}


def _reply(responses: dict[str, Any], reply: str) -> dict[str, Any]:
    """Name the type of a reply; its schemas."""
    name = reply.rpartition(".")[2]
    responses["200"]["content"]["application/json"] = {"schema": {"$ref": f"{_MODELS}openai.{name}"}}
    return _schemas_of(f"openai.types.{reply}", prefix="openai.")


def _schemas_of(path: str, *, prefix: str) -> dict[str, Any]:
    """The schema of the model at this import path and those of its parts, each under its name."""
    module, _, name = path.rpartition(".")
    model: type[BaseModel] = getattr(import_module(module), name)
    schema = model.model_json_schema(ref_template=f"{_MODELS}{prefix}{{model}}", mode="validation")
    parts = {**schema.pop("$defs", {}), name: schema}
    return {f"{prefix}{part}": value for part, value in parts.items()}


def _correct(responses: dict[str, Any]) -> None:
    responses.pop(str(HTTPStatus.UNPROCESSABLE_ENTITY.value), None)
    content = {"application/json": {"schema": {"$ref": f"{_MODELS}Error"}}}
    for status, meaning in _FAULTS.items():
        responses.setdefault(str(status), {"description": meaning, "content": content})
