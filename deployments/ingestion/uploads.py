"""`/v1/uploads`: a file in parts, each multipart as `/v1/files` takes a whole one."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingestion.bodies import Body
from deployments.ingestion.document import described
from deployments.ingestion.files import EXPIRES_S, Purpose, body_of, expiry, pieces_of, uploaded
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.middleware import tenant_of
from deployments.knowledge.uploads import Announced, Uploads

MOST_BYTES = 8 << 30


class ExpiresAfter(Body):
    """When a file goes."""

    anchor: Annotated[str, Field(pattern="^created_at$")]
    seconds: EXPIRES_S


class NewUpload(Body):
    """`POST /v1/uploads`."""

    filename: Annotated[str, Field(min_length=1, max_length=1024)]
    purpose: Purpose
    mime_type: str  # wanted, as by OpenAI; nothing depends on it
    bytes: Annotated[int, Field(ge=1, le=MOST_BYTES)]
    expires_after: ExpiresAfter | None = None

    def announced(self) -> Announced:
        """What is about to come."""
        seconds = self.expires_after.seconds if self.expires_after else None
        return Announced(self.filename, self.purpose, self.bytes, expiry(self.purpose, seconds))


class Completion(Body):
    """`POST /v1/uploads/{id}/complete`."""

    part_ids: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    md5: Annotated[str, Field(pattern="^[0-9a-fA-F]{32}$")] | None = None


def upload_routes(uploads: Uploads) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/v1/uploads")

    @router.post("", openapi_extra=described(NewUpload, reply="Upload"))
    async def create(request: Request) -> Response:
        body = NewUpload.model_validate_json(await request.body())
        return json_reply(await uploads.create(tenant_of(request.scope), body.announced()))

    part = {"requestBody": body_of({"data": {"type": "string", "contentMediaType": "application/octet-stream"}})}

    @router.post("/{upload_id}/parts", openapi_extra=described(reply="uploads.UploadPart") | part)
    async def add_part(request: Request, upload_id: str) -> Response:
        async with uploaded(request, "data") as (file, _):
            return json_reply(await uploads.add_part(tenant_of(request.scope), upload_id, pieces_of(file)))

    @router.post("/{upload_id}/complete", openapi_extra=described(Completion, reply="Upload"))
    async def complete(request: Request, upload_id: str) -> Response:
        body = Completion.model_validate_json(await request.body())
        return json_reply(await uploads.complete(tenant_of(request.scope), upload_id, body.part_ids, body.md5))

    @router.post("/{upload_id}/cancel", openapi_extra=described(reply="Upload"))
    async def cancel(request: Request, upload_id: str) -> Response:
        return json_reply(await uploads.cancel(tenant_of(request.scope), upload_id))

    return router
