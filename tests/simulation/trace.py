"""What happened, in order. Two runs of a seed have the same trace."""

import hashlib


class Trace:
    """Lines of one seed."""

    def __init__(self) -> None:
        self._lines: list[tuple[object, ...]] = []

    def add(self, time: float, *what: object) -> None:
        """Something happened."""
        self._lines.append((time, *what))

    def lines(self) -> list[str]:
        """For people."""
        return [f"{time:10.4f} " + " ".join(map(str, what)) for time, *what in self._lines]

    def digest(self) -> str:
        """For comparing runs."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
