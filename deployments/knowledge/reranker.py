"""A reranking model for callers on the event loop."""

from collections.abc import Sequence

from deployments.knowledge.encoding import Pair, PairModel
from deployments.knowledge.model_thread import ModelThread


class Reranker:
    """Answers `RerankerApi`, each call by itself; `pairs` is for who puts calls together."""

    def __init__(self, model: ModelThread[PairModel]) -> None:
        self._model = model

    async def start(self) -> None:
        """Load the model now."""
        await self._model.ask(lambda _: None)

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """See `RerankerApi`."""
        return await self.pairs([Pair(query, passage) for passage in passages])

    async def pairs(self, pairs: Sequence[Pair]) -> list[float]:
        """The score of each pair."""
        return await self._model.ask(lambda model: model.scores(pairs)) if pairs else []

    def close(self) -> None:
        """Let go of the thread."""
        self._model.close()
