"""`/v1/vector_stores`: stores, and the search in one."""

from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from actors.journal.vector_queries import Window
from deployments.ingestion.document import described
from deployments.ingestion.idempotency import REPLAYED, key_of
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Limit, Order, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.vector_bodies import NewVectorStore, VectorSearch, VectorStoreUpdate
from deployments.knowledge.vector_stores import VectorStores

PATH = "/v1/vector_stores"
FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]


def vector_store_routes(stores: VectorStores) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix=PATH)
    _writing(router, stores)
    _reading(router, stores)
    return router


def _writing(router: APIRouter, stores: VectorStores) -> None:
    @router.post("", openapi_extra=described(NewVectorStore, reply="VectorStore", required=False))
    async def create(request: Request) -> Response:
        raw = await request.body() or b"{}"
        body = NewVectorStore.model_validate_json(raw)
        made = await stores.create(tenant_of(request.scope), body.wanted(), key_of(request, raw))
        return json_reply(made.view, headers=REPLAYED if made.replayed else None)

    @router.post("/{vector_store_id}", openapi_extra=described(VectorStoreUpdate, reply="VectorStore"))
    async def update(request: Request, vector_store_id: str) -> Response:
        body = VectorStoreUpdate.model_validate_json(await request.body())
        return json_reply(await stores.update(tenant_of(request.scope), vector_store_id, body.changes()))

    @router.delete("/{vector_store_id}", openapi_extra=described(reply="VectorStoreDeleted"))
    async def delete(request: Request, vector_store_id: str) -> Response:
        return json_reply(await stores.delete(tenant_of(request.scope), vector_store_id))


def _reading(router: APIRouter, stores: VectorStores) -> None:
    @router.get("")
    async def list_stores(
        request: Request, after: str = "", before: str = "", limit: Limit = 20, order: Order = "desc"
    ) -> Response:
        window = Window(after, before, limit, ascending=order == "asc")
        try:
            return json_reply(await stores.stores(tenant_of(request.scope), window))
        except LookupError as error:
            raise unknown_cursor(after or before) from error

    @router.get("/{vector_store_id}", openapi_extra=described(reply="VectorStore"))
    async def store(request: Request, vector_store_id: str) -> Response:
        return json_reply(await stores.store(tenant_of(request.scope), vector_store_id))

    @router.post("/{vector_store_id}/search", openapi_extra=described(VectorSearch))
    async def search(request: Request, vector_store_id: str) -> Response:
        body = VectorSearch.model_validate_json(await request.body())
        return json_reply(await stores.search(tenant_of(request.scope), body.search(vector_store_id)))
