"""The OpenAPI document: every operation with its body, its parameters, and the errors that it can really answer.

FastAPI announces a 422 for every parameter; here a bad one is a 400, so the document is corrected.
"""

from http import HTTPStatus
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
_SCHEMAS = "x-schemas"  # where an operation keeps the parts of its body's schema until the document is made


def body_of(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads this body by itself."""
    schema = model.model_json_schema(ref_template=f"{_MODELS}{{model}}", mode="validation")
    parts = {**schema.pop("$defs", {}), model.__name__: schema}
    content = {"application/json": {"schema": {"$ref": f"{_MODELS}{model.__name__}"}}}
    return {"requestBody": {"required": required, "content": content}, _SCHEMAS: parts}


def install(app: FastAPI) -> None:
    """Let the application describe itself truly."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI describes


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version="1", routes=app.routes)
    schemas: dict[str, Any] = {"Error": _ERROR}
    for path in document["paths"].values():
        for operation in path.values():
            schemas |= operation.pop(_SCHEMAS, {})
            _correct(operation["responses"])
    document["components"] = {"schemas": schemas}
    return document


def _correct(responses: dict[str, Any]) -> None:
    responses.pop(str(HTTPStatus.UNPROCESSABLE_ENTITY.value), None)
    content = {"application/json": {"schema": {"$ref": f"{_MODELS}Error"}}}
    for status, meaning in _FAULTS.items():
        responses.setdefault(str(status), {"description": meaning, "content": content})
