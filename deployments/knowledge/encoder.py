"""An embedding model for callers on the event loop."""

import asyncio
from collections.abc import Sequence

from deployments.knowledge.encoding import Embedded, TextOrTokens, VectorModel, Vectors
from deployments.knowledge.model_thread import ModelThread
from deployments.knowledge.tokenizer import TextTokenizer


class Encoder:
    """Answers `EncoderApi`, each call by itself; `tokens` and `vectors` are its halves for who puts calls together."""

    def __init__(self, tokenizer: TextTokenizer, model: ModelThread[VectorModel]) -> None:
        self._tokenizer = tokenizer
        self._model = model

    async def start(self) -> None:
        """Load the model now."""
        await self._model.ask(lambda _: None)

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """See `EncoderApi`."""
        ids = await self.tokens(texts)
        return Embedded(await self.vectors(ids), [len(each) for each in ids])

    async def tokens(self, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        """The ids of each text. Raises RejectError for ids that the model does not have."""
        return await asyncio.to_thread(self._tokenizer.ids, texts)

    async def vectors(self, ids: Sequence[list[int]]) -> Vectors:
        """The vectors of texts that are given by their ids."""
        return await self._model.ask(lambda model: model.vectors(ids))

    def close(self) -> None:
        """Let go of the thread."""
        self._model.close()
