"""Turns a growing list of token ids into text, piece by piece.

Invariant: the pieces are a pure function of the ids, however they are cut into calls. So a worker that replays the
logged ids stands exactly where the one before it stood.

A piece is what `decode` adds to the text of a short stretch before it. It is held back while it ends inside a
character, which decodes to U+FFFD until its last byte is there.
"""

from collections.abc import Callable, Sequence

_REPLACEMENT = "\ufffd"
_FEW = 3  # so many are as quick one by one


class Detokenizer:
    """The text of one output. `decode` gives the text of ids."""

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []  # from the start of the last piece on
        self._read = 0  # how many of them are in pieces already
        self._shown = ""  # the text of those

    def push(self, ids: Sequence[int]) -> str:
        """The text that these ids complete."""
        if len(ids) > _FEW and (text := self._push_whole(ids)) is not None:
            return text
        return "".join([self._push_one(token) for token in ids])

    def _push_one(self, token: int) -> str:
        self._ids.append(token)
        text, shown = self._decode(self._ids), self._shown
        if len(text) <= len(shown) or text[-1] == _REPLACEMENT or not text.startswith(shown):
            return ""
        self._ids = self._ids[self._read :]  # the ids of this piece, never none
        self._read = len(self._ids)
        self._shown = self._decode(self._ids)
        return text[len(shown) :]

    def _push_whole(self, ids: Sequence[int]) -> str | None:
        """The same for many at once; None where the last of them alone is not the last piece."""
        known, shown = [*self._ids, *ids[:-1]], self._shown
        before = self._decode(known)
        text = self._decode([*known, ids[-1]])
        if len(before) <= len(shown) or before[-1] == _REPLACEMENT or not before.startswith(shown):
            return None
        if len(text) <= len(before) or text[-1] == _REPLACEMENT or not text.startswith(before):
            return None
        self._ids, self._read, self._shown = [ids[-1]], 1, self._decode([ids[-1]])
        return text[len(shown) :]

    def flush(self) -> str:
        """What was held back; call it once, at the end."""
        return self._decode(self._ids)[len(self._shown) :]
