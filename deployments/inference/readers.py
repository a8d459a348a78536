"""What finds reasoning and function calls in a model's text, while the text grows.

Invariants of every reader:
- It is given the text of one token at a time, so that what it says is a function of the token ids.
- It never raises: what only looked like a call is said as plain text.
"""

from collections.abc import Sequence
from typing import Protocol

from pipelines.operations import Kind, Piece


class Reader(Protocol):
    """Reads one output."""

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """What can be said of the text now that these tokens, whose text this is, have come."""

    def flush(self) -> list[Piece]:
        """What was held back; call it once, at the end."""


class Chain:
    """A reader for reasoning, then one for the calls in what it says aloud."""

    def __init__(self, reasoning: Reader, calls: Reader) -> None:
        self._reasoning = reasoning
        self._calls = calls

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """What both make of it."""
        return self._read(self._reasoning.push(text, ids), ids)

    def flush(self) -> list[Piece]:
        """What either held back."""
        return self._read(self._reasoning.flush(), ()) + self._calls.flush()

    def _read(self, pieces: list[Piece], ids: Sequence[int]) -> list[Piece]:
        read: list[Piece] = []
        for piece in pieces:
            read += self._calls.push(piece.text, ids) if piece.kind is Kind.MESSAGE else [piece]
        return read
