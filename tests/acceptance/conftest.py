"""A real server for the acceptance tests, in each wiring that is tested."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
WIRINGS = {"monolith": "monolith.yaml", "event-driven": "scripted.yaml"}
START_S = 240
STOP_S = 30


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the server listens, and a model that it serves."""

    url: str
    model: str = "scripted"

    @property
    def socket_url(self) -> str:
        """The same for WebSockets."""
        return self.url.replace("http", "ws", 1)


@pytest.fixture(scope="session", params=WIRINGS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server per wiring for the whole session."""
    folder = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, "-m", "heliograph", "serve", "--config", str(CONFIGS / WIRINGS[request.param])]
    errors = (folder / "stderr").open("wb")
    process = subprocess.Popen(
        [*command, "--port", str(free_port()), "--data", str(folder / "data")], stdout=subprocess.PIPE, stderr=errors
    )
    try:
        yield Server(url=await_ready(process, folder / "stderr"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
        errors.close()
        if process.stdout:
            process.stdout.close()


def await_ready(process: "subprocess.Popen[bytes]", errors: Path) -> str:
    """The URL that the server prints when it accepts jobs."""
    timer = threading.Timer(START_S, os.kill, (process.pid, signal.SIGKILL))
    timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"ready "):
                return line.split()[1].decode()
    finally:
        timer.cancel()
    pytest.fail(f"the server did not start:\n{errors.read_text()[-4000:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
