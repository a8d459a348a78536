"""`/v1/responses`: create in all its forms, look, follow, cancel, delete, input items, token count."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from deployments.history.history import UnknownJobError
from deployments.history.responses import skeleton
from deployments.ingestion.document import described
from deployments.ingestion.door import Call
from deployments.ingestion.errors import ApiError
from deployments.ingestion.foreground import AttachedStream, whole_response
from deployments.ingestion.idempotency import HEADER, REPLAYED, idempotency_key
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Included, Limit, Order, page_of
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.resolver import Draft
from deployments.ingestion.responses_body import CountBody, ResponsesBody
from deployments.ingestion.service import IngestionService
from deployments.ingestion.sse import EventStream
from pipelines.jobs import Status

PATH = "/v1/responses"
MAX_CURSOR = 10**18


def response_routes(service: IngestionService) -> APIRouter:
    """All of them, but the WebSocket."""
    router = APIRouter(prefix=PATH)
    _creation(router, service)
    _reading(router, service)
    _ending(router, service)
    return router


def _creation(router: APIRouter, service: IngestionService) -> None:
    @router.post("", openapi_extra=described(ResponsesBody, reply="responses.Response", streams=True))
    async def create(request: Request) -> Response:
        raw = await request.body()
        body = ResponsesBody.model_validate_json(raw)
        call = _call(request, raw, body)
        draft = await service.resolver.draft(body, call.tenant)
        if body.background:
            return await _background(service, draft, call, stream=bool(body.stream))
        attachment = await service.attach(draft, call)
        if body.stream:
            return AttachedStream(service.event_batches(attachment.subject), attachment)
        return await whole_response(service, attachment, request.receive)

    @router.post("/input_tokens", openapi_extra=described(CountBody, reply="responses.InputTokenCountResponse"))
    async def count(request: Request) -> Response:
        body = CountBody.model_validate_json(await request.body())
        asked = await service.resolver.counted(body, tenant_of(request.scope))
        tokens = await service.count(asked, tenant_of(request.scope))
        return json_reply({"object": "response.input_tokens", "input_tokens": tokens})

    @router.post("/compact", include_in_schema=False)
    async def compact() -> Response:
        raise ApiError(404, "Responses cannot be compacted here.", "not_found")


def _reading(router: APIRouter, service: IngestionService) -> None:
    @router.get("/{response_id}", openapi_extra=described(reply="responses.Response", streams=True))
    async def retrieve(
        request: Request,
        response_id: str,
        include: Included = None,  # noqa: ARG001 - all that there is is shown anyway
        stream: bool = False,
        starting_after: Annotated[int | None, Query(ge=0, le=MAX_CURSOR)] = None,
        include_obfuscation: bool = False,  # noqa: ARG001 - nothing is obfuscated
    ) -> Response:
        tenant = tenant_of(request.scope)
        response = await stored_response(service, response_id, tenant)
        if not stream:
            return json_reply(response)
        after = -1 if starting_after is None else starting_after
        return EventStream(service.event_batches(await service.subject(response_id, tenant), after))

    @router.get("/{response_id}/input_items", openapi_extra=described(reply="responses.ResponseItemList"))
    async def input_items(
        request: Request,
        response_id: str,
        include: Included = None,  # noqa: ARG001 - likewise
        after: str | None = None,
        limit: Limit = 20,
        order: Order = "desc",
    ) -> Response:
        tenant = tenant_of(request.scope)
        await stored_response(service, response_id, tenant)
        items = await service.history.input_items(tenant, response_id)
        return json_reply(page_of(items, after=after, limit=limit, order=order))


def _ending(router: APIRouter, service: IngestionService) -> None:
    @router.post("/{response_id}/cancel", openapi_extra=described(reply="responses.Response"))
    async def cancel(request: Request, response_id: str) -> Response:
        tenant = tenant_of(request.scope)
        response = await stored_response(service, response_id, tenant)
        if not response["background"]:
            raise ApiError(400, "Only a background response can be cancelled.", "invalid_value", "response_id")
        if response["status"] != Status.CANCELLED:
            await service.cancel(response_id, tenant)
        return json_reply(await service.result(response_id, tenant))

    @router.delete("/{response_id}")
    async def delete(request: Request, response_id: str) -> Response:
        tenant = tenant_of(request.scope)
        await stored_response(service, response_id, tenant)
        await service.history.delete(tenant, response_id)
        return json_reply({"id": response_id, "object": "response", "deleted": True})


async def stored_response(service: IngestionService, response_id: str, tenant: str) -> dict[str, Any]:
    """A Response that may be shown. Raises UnknownJobError also for one that is not stored."""
    response = await service.result(response_id, tenant)
    if not response["store"]:
        raise UnknownJobError(response_id)
    return response


async def _background(service: IngestionService, draft: Draft, call: Call, *, stream: bool) -> Response:
    accepted = await service.accept(draft.request, replace(call, parent=draft.parent))
    headers = REPLAYED if accepted.replayed else None
    if stream:
        subject = await service.subject_of(accepted, draft.request, call.tenant)
        return EventStream(service.event_batches(subject), headers=headers)
    if accepted.replayed:
        return json_reply(await service.result(accepted.job_id, call.tenant), headers=headers)
    return json_reply(skeleton(accepted.job_id, draft.request))


def _call(request: Request, raw: bytes, body: ResponsesBody) -> Call:
    return Call(
        tenant=tenant_of(request.scope),
        size=len(raw),
        traceparent=request.headers.get("traceparent", ""),
        deadline_s=body.deadline_s,
        key=idempotency_key(PATH, request.headers.get(HEADER, ""), raw),
    )
