"""An encoder and a reranker that follow from the words alone, for tests of what stands around real ones."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from deployments.knowledge.encoding import Embedded, TextOrTokens, Vectors

DIMENSIONS = 32
_WORD = re.compile(r"\w+")


class WordEncoder:
    """Texts that share words are alike."""

    def __init__(self) -> None:
        self.calls: list[int] = []  # how many texts each call had

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        self.calls.append(len(texts))
        return Embedded(np.stack([vector_of(str(text)) for text in texts]), [len(words(str(text))) for text in texts])


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


def vector_of(text: str) -> Vectors:
    total = np.full(DIMENSIONS, 1e-3)
    for word in words(text):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
        total += np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return np.asarray(total / np.linalg.norm(total), np.float32)
