"""The native routes: submit, look, list, cancel."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.journal.protocol import JobQuery
from deployments.history.history import UnknownJobError
from deployments.history.views import links
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.bulk import BULK_PATH, BulkBody
from deployments.ingestion.document import described
from deployments.ingestion.door import Call
from deployments.ingestion.errors import ApiError
from deployments.ingestion.idempotency import HEADER, REPLAYED, idempotency_key
from deployments.ingestion.lists import unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.service import GENERATE_PATH, IngestionService
from pipelines.jobs import Status

_ID = "\0"
_ACCEPTED = to_json({"job_id": _ID, "status": Status.QUEUED, "links": links(_ID)}).split(to_json(_ID)[1:-1])


def generate_route(service: IngestionService) -> Route:
    """`POST /async-generate`, the hot path: a plain route without FastAPI's layers."""

    async def generate(request: Request) -> Response:
        raw = await request.body()
        body = GenerateBody.model_validate_json(raw)
        call = Call(
            tenant=tenant_of(request.scope),
            size=len(raw),
            traceparent=request.headers.get("traceparent", ""),
            deadline_s=body.deadline_s,
            key=idempotency_key(GENERATE_PATH, request.headers.get(HEADER, ""), raw),
        )
        accepted = await service.accept(body.request(), call)
        if accepted.replayed:
            reply = {"job_id": accepted.job_id, "status": accepted.status, "links": links(accepted.job_id)}
            return json_reply(reply, 202, REPLAYED)
        return Response(accepted.job_id.encode().join(_ACCEPTED), 202, media_type="application/json")

    return Route(GENERATE_PATH, generate, methods=["POST"])


def job_routes(service: IngestionService) -> APIRouter:
    """`/jobs`."""
    router = APIRouter()

    @router.get("/jobs")
    async def list_jobs(
        request: Request,
        status: Status | None = None,
        model: str | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
    ) -> Response:
        tenant = tenant_of(request.scope)
        query = JobQuery(tenant, status, model, after, limit, ascending=order == "asc")
        try:
            return json_reply(await service.history.jobs(query))
        except LookupError as error:
            raise unknown_cursor(after) from error

    @router.post(BULK_PATH, openapi_extra=described(BulkBody), status_code=202)
    async def submit_many(request: Request) -> Response:
        word, traceparent = request.headers.get(HEADER, ""), request.headers.get("traceparent", "")
        call = Call(tenant=tenant_of(request.scope), size=0, traceparent=traceparent)
        answers = await service.accept_many(await request.body(), call, word)
        return json_reply({"data": [_told(answer) for answer in answers]}, 202)

    @router.get("/jobs/{job_id}")
    async def job(request: Request, job_id: str) -> Response:
        return json_reply(await service.job(job_id, tenant_of(request.scope)))

    @router.get("/jobs/{job_id}/events")
    async def events(
        request: Request,
        job_id: str,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> Response:
        try:
            return json_reply(await service.history.events(tenant_of(request.scope), job_id, after, limit))
        except UnknownJobError:
            raise
        except LookupError as error:
            raise unknown_cursor(after) from error

    @router.post("/jobs/{job_id}/cancel")
    async def cancel(request: Request, job_id: str) -> Response:
        return json_reply(await service.cancel(job_id, tenant_of(request.scope)))

    return router


def _told(answer: str | ApiError) -> dict[str, Any]:
    return answer.body() if isinstance(answer, ApiError) else {"job_id": answer}


def json_reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A reply that is encoded once."""
    return Response(to_json(content), status, headers, media_type="application/json")
