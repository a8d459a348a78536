"""A child process that talks in lines. What it prints also goes to our stderr: stdout is for the result."""

import os
import queue
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from types import MappingProxyType

import psutil

REPOSITORY = Path(__file__).parent.parent
STOP_S = 60
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class Program:
    """Started at once; every wait for a line is bounded."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str] = NO_SETTINGS) -> None:
        self.started = monotonic()
        # Ray's workers are to find this package as well, whatever their working directory is.
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **settings}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def line(self, prefix: str, *, within_s: float) -> str:
        """The rest of the next line with this prefix.

        Raises RuntimeError where the process ends before it, TimeoutError where it does not come in time.
        """
        deadline = monotonic() + within_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no line {prefix!r} within {within_s} s") from None
            if line is None:
                raise RuntimeError(f"the process ended with {self._process.wait()} before a line {prefix!r}")
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()

    def say(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write(line + "\n")

    def stop(self) -> None:
        """End it by SIGTERM. Raises RuntimeError, after killing what is left, where not all of it ends in a minute."""
        left = self._terminate()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if left:
            raise RuntimeError(f"did not end within {STOP_S} s: {left}")

    def _terminate(self) -> list[psutil.Process]:
        if self._process.poll() is not None:
            return []
        family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        self._process.terminate()
        left: list[psutil.Process] = psutil.wait_procs(family, timeout=STOP_S)[1]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        return left

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        for line in self._process.stdout:
            sys.stderr.write(line)
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def running(command: Sequence[str], settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[Program]:
    """A program that is stopped at the end. The settings are added to its environment."""
    program = Program(command, settings)
    try:
        yield program
    finally:
        program.stop()
