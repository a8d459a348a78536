"""Servers under test, as a user starts them: `heliograph serve` in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.sync.client import connect

from heliograph.serving import ALL_RUN

HELIOGRAPH = [sys.executable, "-m", "heliograph"]
START_S = 240.0
TERMINAL = ("completed", "incomplete", "failed", "cancelled")


def by_template(number: int) -> dict[str, Any]:
    """The part of a body that says what is wanted: of every other job by a template, which prompting fills in."""
    topic = f"number {number}"
    if number % 2:
        return {"prompt": f"Say something about {topic}."}
    return {"template": "explain", "variables": {"topic": topic, "audience": "a child"}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(check: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """The first true answer of `check`; fails after so many seconds."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        answer = check()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


class ServerProcess:
    """One server. `model` is what its jobs should ask for, `code` the folder of another version of the code."""

    def __init__(
        self, config: Path, data: Path, *, model: str, code: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        self.config = config
        self._options = options
        self._code = code
        self.data = data
        self.model = model
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    @property
    def socket_url(self) -> str:
        """Where its WebSockets are."""
        return self.url.replace("http", "ws", 1)

    def start(self) -> None:
        self._client = httpx.Client(base_url=self.url, timeout=30)  # a new one for each request would cost 20 ms of CPU
        command = [*HELIOGRAPH, "serve", "--config", str(self.config), "--port", str(self.port)]
        self.data.parent.mkdir(parents=True, exist_ok=True)
        output = (self.data.parent / f"{self.data.name}.log").open("a")
        self._process = subprocess.Popen(
            [*command, "--data", str(self.data), *self._options],
            stdout=subprocess.PIPE, stderr=output, text=True, env=_environment(), cwd=self._code,
        )  # fmt: skip
        output.close()
        try:
            assert self._line("ready ") == self.url
            if self._code is None:  # another version may be one that is ready only then
                self._line(ALL_RUN)
        except BaseException:  # a test's time limit too: no server outlives it
            if self._process.poll() is None:
                self.kill_everything()
            raise

    def _line(self, prefix: str) -> str:
        """The rest of the next line with this prefix."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
        self.wait()
        raise AssertionError(f"the server ended: {(self.data.parent / f'{self.data.name}.log').read_text()[-2000:]}")

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        assert self._process is not None
        tree = self.tree()
        self._process.send_signal(signal.SIGTERM)
        code = self.wait()
        _, alive = psutil.wait_procs(tree, timeout=5)
        assert alive == []
        return code

    def wait(self) -> int:
        """The exit code of a server that was told to end."""
        assert self._process is not None
        code = self._process.wait(60)
        self._close()
        return code

    def kill_everything(self) -> None:
        """kill -9 of the whole tree at once."""
        for process in self.tree():
            _kill(process)
        assert self._process is not None
        self._process.wait(20)
        self._close()

    def kill_root(self) -> None:
        """kill -9 of the process that was started, and of no other."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)
        self._close()

    def kill(self, title: str) -> list[int]:
        """kill -9 of the processes whose title contains this; fails where there is none."""
        victims = until(lambda: self.find(title), seconds=30, what=f"a process {title}")
        for process in victims:
            _kill(process)
        psutil.wait_procs(victims, timeout=10)
        return [process.pid for process in victims]

    def find(self, title: str) -> list[psutil.Process]:
        return [process for process in self.tree() if title in title_of(process)]

    def tree(self) -> list[psutil.Process]:
        assert self._process is not None
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def submit(self, **body: Any) -> str:
        """Submit as a patient client: a connection that breaks or a 503 is tried again."""
        if not body.keys() & {"template", "prompt"}:
            body["prompt"] = "hello"
        body["model"] = self.model
        reply = until(lambda: self._try("POST", "/async-generate", json=body), seconds=60, what="a submit")
        assert reply.status_code == 202, reply.text
        job_id: str = reply.json()["job_id"]
        return job_id

    def get(self, path: str) -> Any:
        reply = until(lambda: self._try("GET", path), seconds=60, what=path)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def finish(self, job_id: str, *, seconds: float = 120) -> dict[str, Any]:
        """The view of a job once it is terminal."""
        view: dict[str, Any] = until(lambda: self._terminal(job_id), seconds=seconds, what=f"the end of {job_id}")
        return view

    def events(self, job_id: str) -> list[str]:
        return [event["type"] for event in self.get(f"/jobs/{job_id}/events?limit=1000")["data"]]

    def tokens(self, job_id: str, count: int) -> list[dict[str, Any]]:
        """The first token frames of a job's stream."""
        frames: list[dict[str, Any]] = []
        with connect(f"{self.socket_url}/jobs/{job_id}/stream", open_timeout=60, close_timeout=1) as socket:
            while len(frames) < count:
                frame = json.loads(socket.recv(60))
                assert frame["type"] != "end"
                if frame["type"] == "token":
                    frames.append(frame)
        return frames

    def _terminal(self, job_id: str) -> dict[str, Any] | None:
        view: dict[str, Any] = self.get(f"/jobs/{job_id}")
        return view if view["status"] in TERMINAL else None

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            reply = self._client.request(method, path, **options)
        except httpx.TransportError:
            return None
        return None if reply.status_code >= 500 else reply

    def _close(self) -> None:
        self._client.close()
        assert self._process is not None
        if self._process.stdout is not None:
            self._process.stdout.close()


def _environment() -> dict[str, str]:
    """Ours, with deaths noticed and replicas replaced as fast as Ray can, which production may choose too."""
    return {**os.environ, "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}


def title_of(process: psutil.Process) -> str:
    """How a process is called; "" for one that has gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
