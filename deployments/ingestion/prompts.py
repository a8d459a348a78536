"""`/v1/prompts`: templates of prompts, which responses name in `prompt`. No OpenAI client has a resource for them."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from deployments.history.prompts import UnknownTemplateError
from deployments.ingestion.bodies import Body
from deployments.ingestion.document import described
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Limit, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.service import IngestionService

Name = Annotated[str, Field(min_length=1, max_length=256)]
TemplateText = str | list[dict[str, Any]] | dict[str, Any]  # history says what is wrong with one


class NewPrompt(Body):
    """`POST /v1/prompts`: a text, messages, or `{messages, model?, tools?, params?}`."""

    name: Name
    template: TemplateText


class NewVersion(Body):
    """`POST /v1/prompts/{id}/versions`."""

    template: TemplateText


class DefaultVersion(Body):
    """`POST /v1/prompts/{id}/default`."""

    version: str


def prompt_routes(service: IngestionService) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/v1/prompts")
    _making(router, service)
    _reading(router, service)
    return router


def _making(router: APIRouter, service: IngestionService) -> None:
    history = service.history

    @router.post("", openapi_extra=described(NewPrompt))
    async def create(request: Request) -> Response:
        body = NewPrompt.model_validate_json(await request.body())
        return json_reply(await history.prompt_create(tenant_of(request.scope), body.name, body.template))

    @router.post("/{prompt_id}/versions", openapi_extra=described(NewVersion))
    async def add_version(request: Request, prompt_id: str) -> Response:
        body = NewVersion.model_validate_json(await request.body())
        return json_reply(await history.prompt_add_version(tenant_of(request.scope), prompt_id, body.template))

    @router.post("/{prompt_id}/default", openapi_extra=described(DefaultVersion))
    async def set_default(request: Request, prompt_id: str) -> Response:
        body = DefaultVersion.model_validate_json(await request.body())
        return json_reply(await history.prompt_set_default(tenant_of(request.scope), prompt_id, body.version))

    @router.delete("/{prompt_id}")
    async def delete(request: Request, prompt_id: str) -> Response:
        return json_reply(await history.prompt_delete(tenant_of(request.scope), prompt_id))


def _reading(router: APIRouter, service: IngestionService) -> None:
    history = service.history

    @router.get("")
    async def prompts(request: Request, after: str | None = None, limit: Limit = 20) -> Response:
        try:
            return json_reply(await history.prompts(tenant_of(request.scope), after, limit))
        except UnknownTemplateError:
            raise
        except LookupError as error:
            raise unknown_cursor(after) from error

    @router.get("/{prompt_id}")
    async def prompt(request: Request, prompt_id: str, version: str | None = None) -> Response:
        return json_reply(await history.prompt(tenant_of(request.scope), prompt_id, version))
