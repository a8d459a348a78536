"""`POST /v1/embeddings`."""

import base64
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingestion.direct_reply import object_reply
from deployments.ingestion.document import described
from deployments.ingestion.embedding_body import EmbeddingBody
from deployments.ingestion.embedding_service import EmbeddingService
from deployments.knowledge.encoding import Embedded, Vectors

_QUICK_VECTORS = 32  # more are written as JSON beside the event loop


def embedding_routes(service: EmbeddingService) -> APIRouter:
    """`/v1/embeddings`."""
    router = APIRouter(prefix="/v1")

    @router.post("/embeddings", openapi_extra=described(EmbeddingBody, reply="CreateEmbeddingResponse"))
    async def create(request: Request) -> Response:
        raw = await request.body()
        body = EmbeddingBody.model_validate_json(raw)
        return await object_reply(request, _reply(service, body, len(raw)))

    return router


async def _reply(service: EmbeddingService, body: EmbeddingBody, size: int) -> bytes:
    found = await service.embed(body.model, body.inputs, dimensions=body.dimensions, size=size)
    if len(found.tokens) <= _QUICK_VECTORS:
        return _json(body, found)
    written: bytes = await service.ports.run_blocking(lambda: _json(body, found))
    return written


def _json(body: EmbeddingBody, found: Embedded) -> bytes:
    tokens = sum(found.tokens)
    written = in_base64(found.vectors) if body.encoding_format == "base64" else found.vectors.tolist()
    return to_json(embedding_object(body.model, written, tokens))


def embedding_object(model: str, vectors: Sequence[Any], tokens: int) -> dict[str, Any]:
    """OpenAI's `CreateEmbeddingResponse` of vectors as they are to be written."""
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def in_base64(vectors: Vectors) -> list[str]:
    """Each vector's numbers as little-endian float32."""
    return [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4")]
