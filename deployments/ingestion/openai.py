"""The OpenAI surface, as far as it goes: background responses, and the list of models."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from deployments.history.responses import skeleton
from deployments.ingestion.bodies import ResponsesBody
from deployments.ingestion.errors import ApiError
from deployments.ingestion.idempotency import HEADER, REPLAYED, idempotency_key
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.service import IngestionService, ModelCard


def openai_routes(service: IngestionService) -> APIRouter:
    """`/v1/responses` and `/v1/models`."""
    router = APIRouter(prefix="/v1")

    @router.post("/responses")
    async def create(request: Request) -> Response:
        raw = await request.body()
        body = ResponsesBody.model_validate_json(raw)
        refuse_unsupported(body)
        asked = body.request()
        traceparent = request.headers.get("traceparent", "")
        key = idempotency_key("/v1/responses", request.headers.get(HEADER, ""), raw)
        tenant = tenant_of(request.scope)
        accepted = await service.accept(asked, tenant, size=len(raw), traceparent=traceparent, key=key)
        if accepted.replayed:
            return json_reply(await service.result(accepted.job_id, tenant), headers=REPLAYED)
        return json_reply(skeleton(accepted.job_id, asked))

    @router.get("/responses/{response_id}")
    async def retrieve(request: Request, response_id: str) -> Response:
        if request.query_params.get("stream") == "true":
            raise ApiError(400, "A response cannot be streamed yet.", "unsupported_parameter", "stream")
        return json_reply(await service.result(response_id, tenant_of(request.scope)))

    @router.get("/models")
    async def models() -> Response:
        return json_reply({"object": "list", "data": [model_view(card) for card in service.models.values()]})

    @router.get("/models/{model:path}")
    async def model(model: str) -> Response:
        if model not in service.models:
            raise ApiError(404, f"The model '{model}' does not exist.", "model_not_found", "model")
        return json_reply(model_view(service.models[model]))

    return router


def model_view(card: ModelCard) -> dict[str, str | int]:
    """A model in OpenAI's shape."""
    return {"id": card.name, "object": "model", "created": card.created, "owned_by": "heliograph"}


def refuse_unsupported(body: ResponsesBody) -> None:
    """Raise ApiError for the first parameter that we cannot serve yet."""
    name = body.unsupported()
    if name == "background":
        raise ApiError(400, "Only 'background: true' is supported for now.", "unsupported_parameter", name)
    if name is not None:
        raise ApiError(400, f"This use of '{name}' is not supported for now.", "unsupported_parameter", name)
