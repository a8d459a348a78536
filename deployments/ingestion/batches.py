"""`/v1/batches`."""

import re
from http import HTTPStatus
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError, to_json
from starlette.requests import Request
from starlette.responses import Response

from deployments.batching.batches import Batches, Order
from deployments.ingestion.bodies import Body, Metadata
from deployments.ingestion.document import described
from deployments.ingestion.door import refuse
from deployments.ingestion.errors import ApiError
from deployments.ingestion.files import BATCH_EXPIRES_S
from deployments.ingestion.idempotency import HEADER, REPLAYED, idempotency_key
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Limit, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.uploads import ExpiresAfter
from pipelines.batch_edits import BatchQuery

PATH = "/v1/batches"
Endpoint: TypeAlias = Literal["/v1/responses", "/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
_LEAST_S, _MOST_S = 60.0, 30 * 86400.0


def _seconds(window: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", window)
    return int(match[1]) * _UNITS[match[2]] if match else 0.0


def _possible(window: str) -> str:
    if not _LEAST_S <= _seconds(window) <= _MOST_S:
        message = "A completion window is a number of minutes, hours or days, such as '24h', from '1m' to '30d'."
        raise PydanticCustomError("invalid_value", message)
    return window


class NewBatch(Body):
    """`POST /v1/batches`. The key may come in the header as well, which wins."""

    input_file_id: str
    endpoint: Endpoint
    completion_window: Annotated[str, AfterValidator(_possible)]
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None
    idempotency_key: str | None = None

    def order(self) -> Order:
        """What is asked for."""
        expires_s = self.output_expires_after.seconds if self.output_expires_after else BATCH_EXPIRES_S
        return Order(
            input_file=self.input_file_id,
            endpoint=self.endpoint,
            window=self.completion_window,
            window_s=_seconds(self.completion_window),
            metadata=to_json(self.metadata or {}).decode(),
            output_expires_s=expires_s,
        )


def batch_routes(batches: Batches) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix=PATH)

    @router.post("", openapi_extra=described(NewBatch, reply="Batch"))
    async def create(request: Request) -> Response:
        raw = await request.body()
        body = NewBatch.model_validate_json(raw)
        key = idempotency_key(PATH, request.headers.get(HEADER, "") or body.idempotency_key or "", raw)
        trace = request.headers.get("traceparent", "")
        created = await batches.create(tenant_of(request.scope), body.order(), key=key, traceparent=trace)
        refuse(created.answer)
        return json_reply(created.batch, headers=REPLAYED if created.answer.job_id else None)

    @router.get("")
    async def list_batches(request: Request, after: str = "", limit: Limit = 20) -> Response:
        query = BatchQuery(tenant_of(request.scope), after=after, limit=limit)
        try:
            return json_reply(await batches.batches(query))
        except LookupError as error:
            raise unknown_cursor(after) from error

    @router.get("/{batch_id}", openapi_extra=described(reply="Batch"))
    async def retrieve(request: Request, batch_id: str) -> Response:
        return json_reply(await batches.batch(tenant_of(request.scope), batch_id))

    @router.post("/{batch_id}/cancel", openapi_extra=described(reply="Batch"))
    async def cancel(request: Request, batch_id: str) -> Response:
        tenant = tenant_of(request.scope)
        status = await batches.cancel(tenant, batch_id)
        if status.terminal:
            raise ApiError(HTTPStatus.CONFLICT, f"Cannot cancel a batch with status '{status}'.", "invalid_value")
        return json_reply(await batches.batch(tenant, batch_id))

    return router
