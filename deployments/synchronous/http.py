"""A service over HTTP, for comparison with one by handle: the route on its side, and who calls it."""

from collections.abc import Awaitable, Callable

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from deployments.ingestion import errors
from pipelines.errors import RejectError, TransientError


class WorkBody(BaseModel):
    """What `POST /work` takes: the topic of a step."""

    topic: str


class WorkReply(BaseModel):
    """What it answers: the topic of the step that follows, or ""."""

    following: str


def create_work_app(work: Callable[[str], Awaitable[str]]) -> FastAPI:
    """The route `POST /work` of a service."""
    app = FastAPI(openapi_url=None)

    @app.post("/work")
    async def do(body: WorkBody) -> WorkReply:
        try:
            return WorkReply(following=await work(body.topic))
        except LookupError:
            raise RejectError("Nobody works on this topic here.", "invalid_value", "topic") from None

    errors.install(app)
    return app


class HttpService:
    """A service by its URL; answers `ServiceApi`. A call takes as long as the step."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = f"{url.rstrip('/')}/work"
        self._client = httpx.AsyncClient(timeout=None, limits=httpx.Limits(), transport=transport)  # noqa: S113 - steps have limits

    async def work(self, topic: str) -> str:
        """See `ServiceApi`."""
        try:
            reply = await self._client.post(self._url, json={"topic": topic})
            reply.raise_for_status()
        except httpx.HTTPError as error:
            raise TransientError(f"{self._url} does not answer: {error}") from error
        return WorkReply.model_validate_json(reply.content).following
