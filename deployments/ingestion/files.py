"""`/v1/files`: multipart in, bytes out. A body is spooled to disk by its parser, and goes on in pieces."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from actors.journal.protocol import FileQuery
from actors.objects import CHUNK_BYTES
from deployments.batching.batches import Batches
from deployments.ingestion.bodies import Body
from deployments.ingestion.document import described
from deployments.ingestion.errors import ApiError
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Order, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.knowledge.files import Files, Upload

_BYTES = "application/octet-stream"
BATCH_EXPIRES_S = 30 * 86400
MOST_FIELDS = 8
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
EXPIRES_S = Annotated[int, Field(ge=3600, le=2592000)]


class FileForm(Body):
    """The fields of `POST /v1/files` beside the file."""

    purpose: Purpose
    anchor: Literal["created_at"] = Field(default="created_at", alias="expires_after[anchor]")
    seconds: Annotated[EXPIRES_S, Field(strict=False)] | None = Field(default=None, alias="expires_after[seconds]")


def file_routes(files: Files, batches: Batches) -> APIRouter:
    """All of them. The results of a batch can be read before they are a file."""
    router = APIRouter(prefix="/v1/files")
    _writing(router, files)
    _reading(router, files, batches)
    return router


def _writing(router: APIRouter, files: Files) -> None:
    @router.post("", openapi_extra=described(reply="FileObject") | {"requestBody": _form()})
    async def create(request: Request) -> Response:
        async with uploaded(request, "file") as (file, fields):
            form = FileForm.model_validate(fields)
            _check(file, form.purpose)
            after_s = expiry(form.purpose, form.seconds)
            upload = Upload(file.filename or "file", form.purpose, pieces_of(file), after_s)
            return json_reply(await files.create(tenant_of(request.scope), upload))

    @router.delete("/{file_id}", openapi_extra=described(reply="FileDeleted"))
    async def delete(request: Request, file_id: str) -> Response:
        return json_reply(await files.delete(tenant_of(request.scope), file_id))


def _reading(router: APIRouter, files: Files, batches: Batches) -> None:
    @router.get("")
    async def list_files(
        request: Request,
        purpose: str = "",
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
        order: Order = "desc",
    ) -> Response:
        query = FileQuery(tenant_of(request.scope), purpose, after, limit, ascending=order == "asc")
        try:
            return json_reply(await files.files(query))
        except LookupError as error:
            raise unknown_cursor(after) from error

    @router.get("/{file_id}", openapi_extra=described(reply="FileObject"))
    async def file(request: Request, file_id: str) -> Response:
        return json_reply(await files.file(tenant_of(request.scope), file_id))

    @router.get("/{file_id}/content", openapi_extra=_bytes())
    async def content(request: Request, file_id: str) -> Response:
        tenant = tenant_of(request.scope)
        if (so_far := await batches.content(tenant, file_id)) is not None:
            return StreamingResponse(so_far, media_type=_BYTES)
        found = await files.content(tenant, file_id)
        length = {"content-length": str(found.size)}
        return StreamingResponse(found.pieces, headers=length, media_type=_BYTES)


def _check(file: UploadFile, purpose: Purpose) -> None:
    """Raises ApiError for what cannot be a batch."""
    if purpose == "batch" and not (file.size and (file.filename or "").endswith(".jsonl")):
        message = "Invalid file format: the file of a batch is named .jsonl and is not empty."
        raise ApiError(400, message, "invalid_value", "file")


@asynccontextmanager
async def uploaded(request: Request, name: str) -> AsyncIterator[tuple[UploadFile, dict[str, str]]]:
    """The part of this name, and the fields beside it. Raises ApiError where the part is missing."""
    async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
        file = form.get(name)
        if not isinstance(file, UploadFile):
            raise ApiError(400, f"Missing required parameter: '{name}'.", "missing_required_parameter", name)
        yield file, {field: value for field, value in form.items() if isinstance(value, str)}


def expiry(purpose: Purpose, seconds: int | None) -> float | None:
    """How long a file is kept; that of a batch always goes."""
    return seconds or (BATCH_EXPIRES_S if purpose == "batch" else None)


async def pieces_of(file: UploadFile) -> AsyncGenerator[bytes]:
    """What was sent."""
    while piece := await file.read(CHUNK_BYTES):
        yield piece


def _form() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "purpose": {"type": "string", "enum": list(get_args(Purpose))},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2592000},
    }
    return body_of(properties, required=("file", "purpose"))


def body_of(properties: Mapping[str, Any], *, required: Sequence[str] = ()) -> dict[str, Any]:
    """How a multipart body is described."""
    schema = {"type": "object", "required": list(required or properties), "properties": dict(properties)}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _bytes() -> dict[str, Any]:
    content = {
        "application/octet-stream": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    }
    return {"responses": {"200": {"description": "The content", "content": content}}}
