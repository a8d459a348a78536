"""An encoder and a reranker without a model: they know words, and nothing of what they mean."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from deployments.knowledge.encoding import Embedded, TextOrTokens, Vector

DIMENSIONS = 128  # so many that words in a test seldom share one
_WORD = re.compile(r"\w+")


class WordEncoder:
    """Texts are alike as far as they have words in common."""

    def __init__(self) -> None:
        self.calls: list[int] = []  # how many texts each call had

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        self.calls.append(len(texts))
        ids = self.ids(texts)
        return Embedded(np.stack([_vector(each) for each in ids]), [len(each) for each in ids])

    def ids(self, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        """A word's id is its hash."""
        return [[_id(word) for word in words(text)] if isinstance(text, str) else text for text in texts]


class WordReranker:
    """The share of the query's words that a passage has."""

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        asked = set(words(query))
        return [len(asked & set(words(passage))) / len(asked) for passage in passages]


def words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def word_spans(text: str) -> list[tuple[int, int]]:
    """The tokens of a tokenizer whose tokens are words and single signs."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def vector_of(text: str) -> Vector:
    return _vector([_id(word) for word in words(text)])


def _id(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=3).digest())


def _vector(ids: Sequence[int]) -> Vector:
    """Each word counts in the dimension that its id says."""
    vector = np.zeros(DIMENSIONS, np.float32)
    for token in ids or [0]:
        vector[token % DIMENSIONS] += 1
    return vector / np.linalg.norm(vector)
