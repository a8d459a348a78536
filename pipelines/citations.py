"""Which sources a message cites: their numbers in brackets, such as [2], as its prompt asks for.

Invariant: what is cited is a function of the text and the sources, however the text is cut into pieces.
"""

import re
from collections.abc import Iterator, Sequence

from events.v1.tokens_pb2 import Citation
from pipelines.payloads import Source

_MARK = re.compile(r"\[(\d{1,3})\]")
_LONGEST = len("[999]")


class Citer:
    """Reads one message. It goes on behind `text`, of which these citations were told."""

    def __init__(self, sources: Sequence[Source], text: str = "", found: Sequence[Citation] = ()) -> None:
        self._sources = sources
        self._length = 0  # of what was read, characters
        self._tail = ""  # its end, where a mark may have begun
        self._untold = self._find(text)[len(found) :]
        self.found = tuple(found)

    def read(self, text: str) -> list[tuple[int, Citation]]:
        """The citations that are complete with this text, numbered from the message's first on."""
        untold, self._untold = self._untold, []
        return self._number([*untold, *self._find(text)])

    def rest(self) -> list[tuple[int, Citation]]:
        """At the end: a message that cites nothing rests on all its sources, each file once."""
        if self.found or self._untold:
            return self.read("")
        files: dict[str, int] = {}
        for number, source in enumerate(self._sources, 1):
            files.setdefault(source.file_id, number)
        return self._number([self._citation(number, self._length) for number in files.values()])

    def _find(self, text: str) -> list[Citation]:
        start, window = self._length - len(self._tail), self._tail + text
        new = [self._citation(int(mark[1]), start + mark.start()) for mark in self._marks(window)]
        self._length += len(text)
        self._tail = window[-_LONGEST:]
        return new

    def _marks(self, window: str) -> Iterator[re.Match[str]]:
        """Those of sources that end behind the tail."""
        for mark in _MARK.finditer(window):
            if mark.end() > len(self._tail) and 1 <= int(mark[1]) <= len(self._sources):
                yield mark

    def _citation(self, number: int, position: int) -> Citation:
        source = self._sources[number - 1]
        return Citation(
            file_id=source.file_id, filename=source.filename, position=position, start=source.start, end=source.end
        )

    def _number(self, new: Sequence[Citation]) -> list[tuple[int, Citation]]:
        numbered = list(enumerate(new, len(self.found)))
        self.found += tuple(new)
        return numbered
