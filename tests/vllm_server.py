"""vLLM's own server, which speaks OpenAI's and Anthropic's protocols, as a peer for tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil

from heliograph.models import add_model
from tests.servers import free_port, until

SLOTS = 4
START_S = 600.0  # on a busy machine
_FLAGS = ["--enforce-eager", "--enable-auto-tool-choice"]
_RUNNING = "vllm:num_requests_running{"
_WAITING = "vllm:num_requests_waiting{"


class VllmServer:
    """SmolLM2 in float32, on the loopback."""

    model = "smollm2"

    def __init__(self, log: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.http = httpx.Client(base_url=self.url, timeout=120)
        self._log = log

    def start(self) -> None:
        folder = add_model("smollm2-135m-instruct")
        options = {
            "model": str(folder),
            "served-model-name": self.model,
            "host": "127.0.0.1",
            "port": self.url.rsplit(":")[-1],
            "dtype": "float32",
            "max-model-len": "2048",
            "max-num-seqs": str(SLOTS),
            "max-num-batched-tokens": "512",
            "kv-cache-memory-bytes": str(400 * 1024**2),
            "structured-outputs-config": '{"backend": "xgrammar", "disable_any_whitespace": true}',
            "tool-call-parser": "hermes",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", *arguments, *_FLAGS]
        environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until(self._is_up, seconds=START_S, what="vLLM's server")

    def stop(self) -> None:
        self.http.close()
        if self._process.poll() is not None:
            return
        tree = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        for process in psutil.wait_procs(tree, timeout=10)[1]:
            process.kill()

    def open_requests(self) -> float:
        """How many it works on or holds back."""
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((_RUNNING, _WAITING)))

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        try:
            return self.http.get("/health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
