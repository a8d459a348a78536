"""What knowledge asks of the models that read: vectors of texts, and how well a passage answers a query."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]
TextOrTokens = str | list[int]  # a text, or the ids of its tokens


class Embedded(NamedTuple):
    """Vectors of length one, of shape (texts, dimensions), and how many tokens each text has."""

    vectors: Vectors
    tokens: list[int]


class Pair(NamedTuple):
    """What a reranker judges."""

    query: str
    passage: str


class VectorModel(Protocol):
    """An embedding model on its own thread."""

    def vectors(self, texts: Sequence[list[int]]) -> Vectors:
        """The vectors of texts that are given by their token ids."""


class PairModel(Protocol):
    """A reranking model on its own thread."""

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """How well each passage answers its query, from 0 to 1."""


class EncoderApi(Protocol):
    """A model that turns texts into vectors; the dot product of two says how alike they are."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """The vectors of one text or more, one for one; what is longer than the model's window is read in windows.

        Raises RejectError for ids that the model does not have, TransientError where the model cannot be reached.
        """


class RerankerApi(Protocol):
    """A model that reads a query together with passages."""

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers, from 0 to 1, in the passages' order. Raises TransientError as above."""
