"""One server per data folder: a lock that dies with its holder, and the holder's pid beside it for `stop`."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

STOP_S = 30.0  # how long a server may take to stop; 20 are promised
_FILE = "server.lock"


class FolderInUseError(RuntimeError):
    """Another server works on this folder."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(f"{folder} is in use by the server with pid {pid}; `heliograph stop --data {folder}` ends it")
        self.pid = pid


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the folder's server. Raises FolderInUseError where there is one; makes the folder where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _FILE).open("a+") as file:  # a program started from here does not inherit it
        if not _lock(file):
            raise FolderInUseError(folder, _pid(file))
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder(folder: Path) -> int | None:
    """The pid of the folder's server; None where none runs."""
    path = folder / _FILE
    if not path.exists():
        return None
    with path.open("a+") as file:
        return None if _lock(file) else _pid(file)


def stop_holder(folder: Path, *, patience_s: float) -> int | None:
    """Ask the folder's server to end, and wait for it. Its pid, or None where none ran. Raises TimeoutError."""
    pid = holder(folder)
    if pid is None:
        return None
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while holder(folder) == pid:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server with pid {pid} still runs after {patience_s:.0f} s")
        time.sleep(0.1)
    return pid


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(file: TextIO) -> int:
    file.seek(0)
    return int(file.read().strip() or 0)
