"""The reader `think`: reasoning stands between `<think>` and `</think>`, at the beginning of an output."""

from collections.abc import Sequence

from deployments.inference.stop_strings import overlap
from pipelines.operations import Kind, Piece

_BEGIN, _END = "<think>", "</think>"


class ThinkReader:
    """Reads one output; `begun` where its prompt ends inside the reasoning."""

    def __init__(self, *, begun: bool = False) -> None:
        self._thinking = begun
        self._speaking = False
        self._text = ""  # held back

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """Reasoning, then a message."""
        del ids
        self._text += text
        if not self._thinking and not self._speaking:
            self._begin()
        return self._think() if self._thinking else self._speak()

    def flush(self) -> list[Piece]:
        """What might have been a mark."""
        kind = Kind.REASONING if self._thinking else Kind.MESSAGE
        return [Piece(text=self._text, kind=kind)] if self._text else []

    def _begin(self) -> None:
        start = self._text.lstrip()
        if start.startswith(_BEGIN):
            self._thinking, self._text = True, start.removeprefix(_BEGIN)
        elif not _BEGIN.startswith(start):
            self._speaking = True

    def _think(self) -> list[Piece]:
        thought, mark, rest = self._text.partition(_END)
        if mark:
            self._thinking, self._speaking, self._text = False, True, rest
            return [*_reasoning(thought), *self._speak()]
        end = len(thought) - overlap(thought, _END)
        self._text = thought[end:]
        return _reasoning(thought[:end])

    def _speak(self) -> list[Piece]:
        if not self._speaking or not self._text:
            return []
        text, self._text = self._text, ""
        return [Piece(text=text)]


def _reasoning(text: str) -> list[Piece]:
    return [Piece(text=text, kind=Kind.REASONING)] if text else []
