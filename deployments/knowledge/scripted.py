"""An encoder and a reranker without a model: a test instrument that knows words, and nothing of what they mean."""

import hashlib
from collections.abc import Sequence

import numpy as np

from deployments.knowledge.encoding import Embedded, TextOrTokens, Vector

DIMENSIONS = 64


class ScriptedEncoder:
    """Answers `EncoderApi` and `RerankerApi`: texts are alike as far as they have words in common."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """Each word counts in the dimension that its id says."""
        ids = self.ids(texts)
        return Embedded(np.stack([_vector(each) for each in ids]), [len(each) for each in ids])

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Which part of the query's words the passage has."""
        asked, *told = [set(ids) for ids in self.ids([query, *passages])]
        return [len(asked & words) / max(1, len(asked)) for words in told]

    def ids(self, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        """A word's id is its hash."""
        return [[_id(word) for word in text.lower().split()] if isinstance(text, str) else text for text in texts]


def _id(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=3).digest())


def _vector(ids: Sequence[int]) -> Vector:
    vector = np.zeros(DIMENSIONS, np.float32)
    for token in ids or [0]:
        vector[token % DIMENSIONS] += 1
    return vector / np.linalg.norm(vector)
