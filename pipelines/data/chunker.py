"""Cuts a text into chunks of so many tokens, each of which overlaps the one before.

Invariants: a chunk is a slice of the text and has at most so many tokens; the slices leave nothing out but what has no
tokens at all; a character that is several tokens is never cut. The time is linear in the text.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]  # start and end, in characters
Tokenize = Callable[[str], Sequence[Span]]  # the spans of a text's tokens, in order

BLOCK = 1 << 18  # characters that are tokenized at once
LONGEST = 64  # characters; a longer stretch without a token's start counts as several tokens


class Window(NamedTuple):
    """How long a chunk may be, and how much of the one before it repeats, both in tokens."""

    size: int
    overlap: int


def chunk(text: str, tokenize: Tokenize, window: Window) -> Iterator[Span]:
    """The chunks of a text, as spans; none where it has no tokens."""
    starts = _token_starts(text, tokenize)
    if not len(starts):
        return
    first = 0
    while True:
        last = _cut(starts, first, first + window.size)
        if last == len(starts):
            yield int(starts[first]), len(text)
            return
        yield int(starts[first]), int(starts[last])
        again = _cut(starts, first, last - window.overlap)
        first = min(again, last)


def _cut(starts: NDArray[np.int64], first: int, wanted: int) -> int:
    """Where to cut: before the character that the wanted token belongs to, and always after the first one."""
    if wanted >= len(starts):
        return len(starts)
    before = int(np.searchsorted(starts, starts[wanted]))
    return before if before > first else int(np.searchsorted(starts, starts[first], side="right"))


def _token_starts(text: str, tokenize: Tokenize) -> NDArray[np.int64]:
    """Where tokens start; the first takes what stands before it."""
    blocks = [np.empty(0, np.int64)]
    for begin, end in _blocks(text):
        starts = np.fromiter((start for start, _ in tokenize(text[begin:end])), np.int64)
        blocks.append(begin + starts)
    starts = np.concatenate(blocks)
    return _without_long_stretches(np.concatenate([[0], starts[1:]]), len(text)) if len(starts) else starts


def _blocks(text: str) -> Iterator[Span]:
    """Stretches that end after a line or a space where there is one."""
    begin = 0
    while begin < len(text):
        end = min(begin + BLOCK, len(text))
        if end < len(text):
            end = max(text.rfind("\n", begin, end), text.rfind(" ", end - LONGEST, end), end - LONGEST) + 1
        yield begin, end
        begin = end


def _without_long_stretches(starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    stretches = np.diff(starts, append=length)
    parts = np.maximum(1, -(-stretches // LONGEST))
    within = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    cut: NDArray[np.int64] = np.repeat(starts, parts) + LONGEST * within
    return cut
