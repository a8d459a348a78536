"""The routes of the dead letters: list, inspect, redrive one or those that a filter finds."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from actors.journal.protocol import DeadLetterQuery
from deployments.history.views import links
from deployments.ingestion.bodies import Body
from deployments.ingestion.document import described
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.service import IngestionService

MOST = 1000  # letters that one call redrives


class Filter(Body):
    """Which letters; what is not given does not matter."""

    model: str = ""
    error: str = ""


class RedriveBody(Body):
    """`POST /dead-letters/redrive`. `per_second` spreads the starts of the new jobs."""

    filter: Filter = Filter()
    dry_run: bool = False
    per_second: float | None = Field(default=None, gt=0)


def dead_letter_routes(service: IngestionService) -> APIRouter:
    """`/dead-letters`."""
    router = APIRouter(prefix="/dead-letters")

    @router.get("")
    async def dead_letters(
        request: Request,
        model: str = "",
        error: str = "",
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        query = DeadLetterQuery(tenant_of(request.scope), model, error, after, limit)
        return json_reply(await service.history.dead_letters(query))

    @router.post("/redrive", openapi_extra=described(RedriveBody, required=False))
    async def redrive_some(request: Request) -> Response:
        body = RedriveBody.model_validate_json(await request.body() or b"{}")
        tenant = tenant_of(request.scope)
        query = DeadLetterQuery(tenant, body.filter.model, body.filter.error, limit=MOST, open_only=True)
        page = await service.history.dead_letters(query)
        letters = [letter["job_id"] for letter in page["data"]]
        jobs = (
            [None] * len(letters)
            if body.dry_run
            else await service.redrive(letters, tenant, per_second=body.per_second)
        )
        redriven = [{"dead_letter": letter, "job_id": job} for letter, job in zip(letters, jobs, strict=True)]
        return json_reply({"dry_run": body.dry_run, "data": redriven, "has_more": page["has_more"]})

    @router.get("/{job_id}")
    async def dead_letter(request: Request, job_id: str) -> Response:
        return json_reply(await service.history.dead_letter(tenant_of(request.scope), job_id))

    @router.post("/{job_id}/redrive", status_code=202)
    async def redrive(request: Request, job_id: str) -> Response:
        (new,) = await service.redrive([job_id], tenant_of(request.scope))
        view: dict[str, Any] = {"job_id": new, "redrive_of": job_id, "links": links(new)}
        return json_reply(view, 202)

    return router
