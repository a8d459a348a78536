"""Vectors for clients who wait: checked here, read by the model's encoder, kept nowhere."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from deployments.ingestion.cards import EncoderCard
from deployments.ingestion.door import unknown_model
from deployments.ingestion.errors import ApiError
from deployments.knowledge.encoding import Embedded, EncoderApi, TextOrTokens, Vectors
from pipelines.ports import Ports

MOST_TOKENS = 300_000  # of one request


class EmbeddingService:
    """`cards` and `encoders` are by the name of the model; `models` are those that generate."""

    def __init__(
        self,
        *,
        cards: Mapping[str, EncoderCard],
        encoders: Mapping[str, EncoderApi],
        models: Container[str],
        ports: Ports,
    ) -> None:
        self.cards = cards
        self.ports = ports
        self._encoders = encoders
        self._models = models

    async def embed(self, model: str, texts: Sequence[TextOrTokens], *, dimensions: int | None, size: int) -> Embedded:
        """The vectors of texts that came in a body of `size` bytes, cut to so many dimensions.

        Raises ApiError, RejectError, TransientError.
        """
        card = self._card(model)
        if dimensions is not None and dimensions > card.dimensions:
            message = f"The vectors of '{model}' have {card.dimensions} dimensions."
            raise ApiError(400, message, "invalid_value", "dimensions")
        if size > MOST_TOKENS:  # a token has at least one byte
            texts = await self._counted(card, texts)
        found = await self._encoders[model].embed(texts)
        return found if dimensions is None else found._replace(vectors=shortened(found.vectors, dimensions))

    def _card(self, model: str) -> EncoderCard:
        if model in self.cards:
            return self.cards[model]
        if model in self._models:
            message = f"The model '{model}' generates text and makes no embeddings."
            raise ApiError(400, message, "invalid_value", "model")
        raise unknown_model(model)

    async def _counted(self, card: EncoderCard, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        """The ids of texts that are not too long together. Raises ApiError where they are."""
        ids: list[list[int]] = await self.ports.run_blocking(lambda: card.tokenizer.ids(texts))
        tokens = sum(len(each) for each in ids)
        if tokens > MOST_TOKENS:
            message = f"The inputs have {tokens} tokens together, and a request may have {MOST_TOKENS}."
            raise ApiError(400, message, "context_length_exceeded", "input")
        return ids


def shortened(vectors: Vectors, dimensions: int) -> Vectors:
    """The first so many dimensions at length one again, or all as they are; what has nothing there stays nothing."""
    if dimensions == vectors.shape[1]:
        return vectors
    cut = vectors[:, :dimensions]
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    shorter: Vectors = np.divide(cut, lengths, out=np.zeros_like(cut), where=lengths > 0)
    return shorter
