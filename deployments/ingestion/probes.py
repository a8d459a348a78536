"""Whether the process lives, whether jobs would be worked on, and the metrics where nobody else exports them."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from deployments.ingestion.errors import ApiError
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.service import IngestionService


def probe_routes(service: IngestionService, exposition: Callable[[], bytes] | None) -> APIRouter:
    """`/health`, `/ready`, and `/metrics` where there is an exposition."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> Response:
        return json_reply({"status": "ok"})

    @router.get("/ready")
    async def ready() -> Response:
        reason = await service.unready()
        if reason is not None:
            raise ApiError(503, f"Not ready: {reason}.", "not_ready")
        return json_reply({"status": "ready"})

    if exposition is not None:

        @router.get("/metrics", response_class=PlainTextResponse)
        async def metrics() -> Response:
            return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
