"""`/v1/models`."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from deployments.ingestion.cards import EncoderCard, ModelCard
from deployments.ingestion.document import described
from deployments.ingestion.door import unknown_model
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.service import IngestionService


def openai_routes(service: IngestionService, encoders: Mapping[str, EncoderCard]) -> APIRouter:
    """The list, and each of them: those that generate, and those that make embeddings."""
    router = APIRouter(prefix="/v1")
    cards: dict[str, ModelCard | EncoderCard] = {**service.models, **encoders}

    @router.get("/models")
    async def models() -> Response:
        return json_reply({"object": "list", "data": [model_view(card) for card in cards.values()]})

    @router.get("/models/{model:path}", openapi_extra=described(reply="Model"))
    async def model(model: str) -> Response:
        if model not in cards:
            raise unknown_model(model)
        return json_reply(model_view(cards[model]))

    return router


def model_view(card: ModelCard | EncoderCard) -> dict[str, str | int]:
    """A model in OpenAI's shape."""
    return {"id": card.name, "object": "model", "created": card.created, "owned_by": "heliograph"}
