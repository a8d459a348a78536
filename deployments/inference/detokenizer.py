"""Turns a growing list of token ids into text, piece by piece.

Invariant: the pieces are a pure function of the ids, however they are cut into calls. So a worker that replays the
logged ids stands exactly where the one before it stood.

A piece is what `decode` adds to the text of a short stretch before it. It is held back while it ends inside a
character, which decodes to U+FFFD until its last byte is there.
"""

from collections.abc import Callable, Iterable

_REPLACEMENT = "\ufffd"


class Detokenizer:
    """The text of one output. `decode` gives the text of ids."""

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []  # from the start of the last piece on
        self._read = 0  # how many of them are in pieces already
        self._shown = ""  # the text of those

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids complete."""
        decode, pieces = self._decode, []
        for token in ids:
            self._ids.append(token)
            text, shown = decode(self._ids), self._shown
            if len(text) > len(shown) and text[-1] != _REPLACEMENT and text.startswith(shown):
                pieces.append(text[len(shown) :])
                self._ids = self._ids[self._read :]  # the ids of this piece, never none
                self._read = len(self._ids)
                self._shown = decode(self._ids)
        return "".join(pieces)

    def flush(self) -> str:
        """What was held back; call it once, at the end."""
        return self._decode(self._ids)[len(self._shown) :]
