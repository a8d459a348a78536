"""Ends a text at the first of some strings, which are left out.

Invariants:
- What comes out is a function of the text alone: of all strings in it the one that ends first counts, and of those
  that end together the longest.
- Nothing that may yet turn out to be a part of a stop string is let through.
- Text leaves together with its token, so that what comes after can rely on both.
"""

from collections.abc import Sequence
from typing import NamedTuple

from events.v1.tokens_pb2 import Logprob


class Unit(NamedTuple):
    """The text that some tokens complete: one, or as many as it takes to make a whole character."""

    text: str
    ids: tuple[int, ...]
    logprobs: tuple[Logprob, ...] = ()


class StopStrings:
    """Watches one output for `strings`, none of them empty."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = tuple(strings)
        self._text = ""  # of the units that are held back
        self.held: list[Unit] = []
        self.stopped = False

    def push(self, unit: Unit) -> list[Unit]:
        """What may be shown now. Nothing comes after a hit."""
        if self.stopped:
            return []
        self.held.append(unit)
        self._text += unit.text
        hits = [(at + len(string), at) for string in self._strings if (at := self._text.find(string)) >= 0]
        if hits:
            self.stopped = True
            return self._cut(min(hits)[1])
        return self._release(len(self._text) - self._begun())

    def flush(self) -> list[Unit]:
        """What was held back; call it once, at the end."""
        return [] if self.stopped else self._release(len(self._text))

    def _begun(self) -> int:
        """How much of the end may be the beginning of a stop string."""
        return max((overlap(self._text, string) for string in self._strings), default=0)

    def _release(self, limit: int) -> list[Unit]:
        """The units whose text lies before `limit`."""
        count, end = 0, 0
        while count < len(self.held) and end + len(self.held[count].text) <= limit:
            end += len(self.held[count].text)
            count += 1
        released, self.held = self.held[:count], self.held[count:]
        self._text = self._text[end:]
        return released

    def _cut(self, limit: int) -> list[Unit]:
        """The units before `limit`; where it lies inside one, that one's beginning."""
        released = self._release(limit)
        rest = limit - sum(len(unit.text) for unit in released)
        if rest:
            released.append(self.held[0]._replace(text=self._text[:rest]))
        return released


def overlap(text: str, string: str) -> int:
    """The length of the longest end of `text` that is a proper beginning of `string`."""
    for length in range(min(len(text), len(string) - 1), 0, -1):
        if text.endswith(string[:length]):
            return length
    return 0
