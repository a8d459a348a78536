"""`/v1/models`."""

from fastapi import APIRouter
from starlette.responses import Response

from deployments.ingestion.cards import ModelCard
from deployments.ingestion.document import described
from deployments.ingestion.errors import ApiError
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.service import IngestionService


def openai_routes(service: IngestionService) -> APIRouter:
    """The list, and each of them."""
    router = APIRouter(prefix="/v1")

    @router.get("/models")
    async def models() -> Response:
        return json_reply({"object": "list", "data": [model_view(card) for card in service.models.values()]})

    @router.get("/models/{model:path}", openapi_extra=described(reply="Model"))
    async def model(model: str) -> Response:
        if model not in service.models:
            raise ApiError(404, f"The model '{model}' does not exist.", "model_not_found", "model")
        return json_reply(model_view(service.models[model]))

    return router


def model_view(card: ModelCard) -> dict[str, str | int]:
    """A model in OpenAI's shape."""
    return {"id": card.name, "object": "model", "created": card.created, "owned_by": "heliograph"}
