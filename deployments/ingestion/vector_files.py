"""`/v1/vector_stores/{id}/files` and `/file_batches`: what is in a store."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from actors.journal.vector_queries import Window
from deployments.ingestion.document import described
from deployments.ingestion.idempotency import REPLAYED, key_of
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Limit, Order, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.vector_bodies import NewFileBatch, NewVectorFile, VectorFileUpdate
from deployments.ingestion.vector_stores import PATH, FileStatus
from deployments.knowledge.vector_files import VectorFiles
from pipelines.jobs import Status

FILE = "vector_stores.VectorStoreFile"
BATCH = "vector_stores.VectorStoreFileBatch"
NO_HEADERS: Mapping[str, str] = {}
POLL = {"openai-poll-after-ms": "250"}  # when OpenAI's client is to look again
Filter = Annotated[FileStatus | None, Query(alias="filter")]


def vector_file_routes(files: VectorFiles) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix=PATH + "/{vector_store_id}")
    _writing(router, files)
    _reading(router, files)
    _batches(router, files)
    return router


def _writing(router: APIRouter, files: VectorFiles) -> None:
    @router.post("/files", openapi_extra=described(NewVectorFile, reply=FILE))
    async def attach(request: Request, vector_store_id: str) -> Response:
        body = NewVectorFile.model_validate_json(await request.body())
        return _reply(await files.attach(tenant_of(request.scope), vector_store_id, body.wanted()))

    @router.post("/files/{file_id}", openapi_extra=described(VectorFileUpdate, reply=FILE))
    async def update(request: Request, vector_store_id: str, file_id: str) -> Response:
        body = VectorFileUpdate.model_validate_json(await request.body())
        attributes = json.dumps(body.attributes or {})
        return _reply(await files.update(tenant_of(request.scope), vector_store_id, file_id, attributes))

    @router.delete("/files/{file_id}", openapi_extra=described(reply=f"{FILE}Deleted"))
    async def detach(request: Request, vector_store_id: str, file_id: str) -> Response:
        return json_reply(await files.detach(tenant_of(request.scope), vector_store_id, file_id))


def _reading(router: APIRouter, files: VectorFiles) -> None:
    @router.get("/files")
    async def list_files(
        request: Request,
        vector_store_id: str,
        status: Filter = None,
        after: str = "",
        before: str = "",
        limit: Limit = 20,
        order: Order = "desc",
    ) -> Response:
        window = Window(after, before, limit, ascending=order == "asc")
        try:
            return json_reply(await files.files(tenant_of(request.scope), vector_store_id, window, status=status or ""))
        except LookupError as error:
            raise unknown_cursor(after or before) from error

    @router.get("/files/{file_id}", openapi_extra=described(reply=FILE))
    async def file(request: Request, vector_store_id: str, file_id: str) -> Response:
        return _reply(await files.file(tenant_of(request.scope), vector_store_id, file_id))

    @router.get("/files/{file_id}/content")
    async def content(request: Request, vector_store_id: str, file_id: str) -> Response:
        return json_reply(await files.content(tenant_of(request.scope), vector_store_id, file_id))


def _batches(router: APIRouter, files: VectorFiles) -> None:
    @router.post("/file_batches", openapi_extra=described(NewFileBatch, reply=BATCH))
    async def create(request: Request, vector_store_id: str) -> Response:
        raw = await request.body()
        body = NewFileBatch.model_validate_json(raw)
        tenant, key = tenant_of(request.scope), key_of(request, raw)
        made = await files.attach_batch(tenant, vector_store_id, body.wanted(), key)
        return _reply(made.view, REPLAYED if made.replayed else {})

    @router.get("/file_batches/{file_batch_id}", openapi_extra=described(reply=BATCH))
    async def batch(request: Request, vector_store_id: str, file_batch_id: str) -> Response:
        return _reply(await files.batch(tenant_of(request.scope), vector_store_id, file_batch_id))

    @router.post("/file_batches/{file_batch_id}/cancel", openapi_extra=described(reply=BATCH))
    async def cancel(request: Request, vector_store_id: str, file_batch_id: str) -> Response:
        return _reply(await files.cancel_batch(tenant_of(request.scope), vector_store_id, file_batch_id))

    @router.get("/file_batches/{file_batch_id}/files")
    async def batch_files(
        request: Request,
        vector_store_id: str,
        file_batch_id: str,
        status: Filter = None,
        after: str = "",
        before: str = "",
        limit: Limit = 20,
        order: Order = "desc",
    ) -> Response:
        window = Window(after, before, limit, ascending=order == "asc")
        tenant = tenant_of(request.scope)
        try:
            found = await files.files(tenant, vector_store_id, window, status=status or "", file_batch=file_batch_id)
        except LookupError as error:
            raise unknown_cursor(after or before) from error
        return json_reply(found)


def _reply(view: dict[str, Any], headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """A file or a batch; one that is in progress will be asked for again."""
    return json_reply(view, headers={**headers, **POLL} if view["status"] == Status.IN_PROGRESS else headers)
