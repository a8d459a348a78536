"""What knowledge asks of the models that read: vectors of texts, and how well a passage answers a query."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
TextOrTokens = str | list[int]  # a text, or the ids of its tokens


class Embedded(NamedTuple):
    """Vectors of length one, of shape (texts, dimensions), and how many tokens each text has."""

    vectors: Vectors
    tokens: list[int]


class EncoderApi(Protocol):
    """A model that turns texts into vectors; the dot product of two says how alike they are."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        """The vectors, one for one; a text that is longer than the model's window is read in windows."""


class RerankerApi(Protocol):
    """A model that reads a query together with passages."""

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers, from 0 to 1, in the passages' order."""
