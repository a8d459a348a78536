"""What has become of the files of one indexing so far, from the progress of their parts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Progress(NamedTuple):
    """Some chunks of an attachment that are done: written, or given up for a fault, of so many in all."""

    attachment: str
    chunks: int
    of: int
    usage_bytes: int = 0
    tokens: int = 0
    code: str = ""  # unsupported_file, invalid_file or server_error; "" where all is well
    message: str = ""


class FileDone(NamedTuple):
    """A file is in the index with all its chunks, or, where there is a code, with none."""

    attachment: str
    chunks: int
    usage_bytes: int  # of text and vectors
    tokens: int
    code: str = ""
    message: str = ""


@dataclass(slots=True)
class _Sum:
    done: int = 0
    usage_bytes: int = 0
    tokens: int = 0
    code: str = ""
    message: str = ""


class Tally:
    """Adds up, file by file."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}

    def add(self, steps: Iterable[Progress]) -> list[FileDone]:
        """The files that are done with these."""
        return [done for step in steps if (done := self._add(step)) is not None]

    def _add(self, step: Progress) -> FileDone | None:
        total = self._sums.setdefault(step.attachment, _Sum())
        total.done += step.chunks
        total.usage_bytes += step.usage_bytes
        total.tokens += step.tokens
        if step.code and not total.code:
            total.code, total.message = step.code, step.message
        if total.done < step.of:
            return None
        del self._sums[step.attachment]
        if total.code:
            return FileDone(step.attachment, 0, 0, 0, total.code, total.message)
        return FileDone(step.attachment, total.done, total.usage_bytes, total.tokens)
