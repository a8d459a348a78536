"""Starts and stops the platform as a user does, by its command line."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

import psutil

from benchmarks.program import running
from heliograph.serving import ALL_RUN

START_S = 600


class Server(NamedTuple):
    """A running platform."""

    pid: int
    port: int
    data: Path
    ready_s: float  # from process start to its `ready` line

    def check_haproxy(self) -> None:
        """Raise RuntimeError where Serve's own, slower proxy takes the requests: no figure would mean anything."""
        if not any(process.name() == "haproxy" for process in psutil.Process(self.pid).children(recursive=True)):
            raise RuntimeError("HAProxy is not the ingress; does another server on this machine have it?")


@contextmanager
def serve(config: Path) -> Iterator[Server]:
    """The platform with this config, on a free port and an empty data folder."""
    port = free_port()
    with TemporaryDirectory(prefix="heliograph-bench-") as data:
        command = [sys.executable, "-m", "heliograph", "serve", "--config", str(config)]
        with running([*command, "--port", str(port), "--data", data]) as program:
            program.line("ready ", within_s=START_S)
            ready_s = monotonic() - program.started
            program.line(ALL_RUN, within_s=START_S)
            yield Server(program.pid, port, Path(data), ready_s)


@contextmanager
def with_model(config: Path, model: str, *, instead_of: str) -> Iterator[Path]:
    """The config with another model."""
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        file = Path(folder) / config.name
        file.write_text(config.read_text().replace(instead_of, model))
        yield file


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
