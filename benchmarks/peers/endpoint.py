"""The endpoint that the peers share: the platform's own `POST /async-generate` without what the platform does for it.

Same route, same validation of the same body, same answer; but no request ids, tenants, size limit or traces. So
whatever the platform spends on those counts as its cost.
"""

from collections.abc import Callable

from fastapi import FastAPI
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from deployments.history.views import links
from deployments.ingestion.bodies import GenerateBody


def endpoint(accept: Callable[[GenerateBody], str]) -> FastAPI:
    """An application with one route; `accept` gives the job's id."""

    async def generate(request: Request) -> Response:
        job_id = accept(GenerateBody.model_validate_json(await request.body()))
        answer = {"job_id": job_id, "status": "queued", "links": links(job_id)}
        return Response(to_json(answer), 202, media_type="application/json")

    app = FastAPI()
    app.add_route("/async-generate", generate, methods=["POST"])
    return app
