"""`/v1/files`: multipart in, bytes out. A body is spooled to disk by its parser, and goes on in pieces."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from actors.journal.protocol import FileQuery
from actors.objects import CHUNK_BYTES
from deployments.ingestion.bodies import Body
from deployments.ingestion.document import described
from deployments.ingestion.errors import ApiError
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Order, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.knowledge.files import Files, Upload

FILES_PATH = "/v1/files"
BATCH_EXPIRES_S = 30 * 86400
MOST_FIELDS = 8
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
Digits = Annotated[int, Field(strict=False, ge=3600, le=2592000)]  # a form has nothing but text


class FileForm(Body):
    """The fields of `POST /v1/files` beside the file."""

    purpose: Purpose
    anchor: Literal["created_at"] = Field(default="created_at", alias="expires_after[anchor]")
    seconds: Digits | None = Field(default=None, alias="expires_after[seconds]")

    def expires_after_s(self) -> float | None:
        """When the file goes; that of a batch always does."""
        return self.seconds or (BATCH_EXPIRES_S if self.purpose == "batch" else None)


def file_routes(files: Files) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix=FILES_PATH)
    _writing(router, files)
    _reading(router, files)
    return router


def _writing(router: APIRouter, files: Files) -> None:
    @router.post("", openapi_extra=described(reply="FileObject") | {"requestBody": _form()})
    async def create(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            options = FileForm.model_validate(fields)
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise ApiError(400, "Missing required parameter: 'file'.", "missing_required_parameter", "file")
            _check(file, options.purpose)
            upload = Upload(file.filename or "file", options.purpose, _pieces(file), options.expires_after_s())
            return json_reply(await files.create(tenant_of(request.scope), upload))

    @router.delete("/{file_id}", openapi_extra=described(reply="FileDeleted"))
    async def delete(request: Request, file_id: str) -> Response:
        return json_reply(await files.delete(tenant_of(request.scope), file_id))


def _reading(router: APIRouter, files: Files) -> None:
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
        found = await files.content(tenant_of(request.scope), file_id)
        length = {"content-length": str(found.size)}
        return StreamingResponse(found.pieces, headers=length, media_type="application/octet-stream")


def _check(file: UploadFile, purpose: Purpose) -> None:
    """Raises ApiError for what cannot be a batch."""
    if purpose == "batch" and not (file.size and (file.filename or "").endswith(".jsonl")):
        message = "Invalid file format: the file of a batch is named .jsonl and is not empty."
        raise ApiError(400, message, "invalid_value", "file")


async def _pieces(file: UploadFile) -> AsyncGenerator[bytes]:
    while piece := await file.read(CHUNK_BYTES):
        yield piece


def _form() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "purpose": {"type": "string", "enum": list(Purpose.__args__)},  # type: ignore[attr-defined]
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2592000},
    }
    schema = {"type": "object", "required": ["file", "purpose"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _bytes() -> dict[str, Any]:
    content = {
        "application/octet-stream": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    }
    return {"responses": {"200": {"description": "The content", "content": content}}}
