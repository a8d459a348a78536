"""Opens a SQLite file in one process after another, each of which dies like a killed one, a line of our code later.

Run as `python -m tests.cut_start MIGRATIONS FOLDER…`: one process for each folder, until one comes to its end.
It is a program of its own because a process without threads is forked safely.
"""

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from actors import sqlite, stores
from actors.sqlite import SqliteFile

_OURS = {sqlite.__file__, stores.__file__}


class Cut:
    """A trace function that counts lines."""

    def __init__(self, lines: int) -> None:
        self._left = lines

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> "Cut | None":
        if frame.f_code.co_filename not in _OURS:
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                os._exit(9)
        return self


def killed(path: Path, migrations: Path, line: int) -> bool:
    """Whether a start in a process of its own was killed before this line, and not at its end by then."""
    if child := os.fork():
        return os.waitpid(child, 0)[1] != 0
    sys.settrace(Cut(line))
    SqliteFile(path, migrations, new_uuid=f"cut-{line}")
    os._exit(0)


if __name__ == "__main__":
    for number, folder in enumerate(sys.argv[2:], 1):
        if not killed(Path(folder) / "store.sqlite", Path(sys.argv[1]), number):
            sys.exit()
    sys.exit("it never came to its end")
