"""An encoder and a reranker without a model: a test instrument that knows words, and nothing of what they mean."""

import hashlib
from collections.abc import Sequence

import numpy as np

from deployments.knowledge.encoding import Embedded, TextOrTokens, Vector

DIMENSIONS = 64


class ScriptedEncoder:
    """Answers `EncoderApi` and `RerankerApi`: texts are alike as far as they have words in common."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """Each word counts in the dimension that its hash says; a token's id is a word."""
        words = [_words(text) for text in texts]
        return Embedded(np.stack([_vector(each) for each in words]), [len(each) for each in words])

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Which part of the query's words the passage has."""
        asked = set(_words(query))
        return [len(asked & set(_words(passage))) / max(1, len(asked)) for passage in passages]


def _words(text: TextOrTokens) -> list[str]:
    return text.lower().split() if isinstance(text, str) else [str(token) for token in text]


def _vector(words: Sequence[str]) -> Vector:
    vector = np.zeros(DIMENSIONS, np.float32)
    for word in words or [""]:
        vector[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % DIMENSIONS] += 1
    return vector / np.linalg.norm(vector)
