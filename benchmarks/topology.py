"""The wirings of the platform, what differs between them, and one that runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, NamedTuple

import psutil
import yaml

from benchmarks.program import Program
from benchmarks.server import START_S, free_port
from configs.settings import CONFIGS
from heliograph.serving import ALL_RUN

MIB = 1 << 20
INFERENCE = "ray::ServeReplica:inference"
LOOKS = 100  # Ray writes a new title over the old one with each call, so one look may find neither
Config = dict[str, Any]


class Topology(NamedTuple):
    """A way to run the services."""

    config: str  # the file in `configs/`
    worker: str  # what a title of the process that infers begins with; "": it is the only process
    redeployed: str  # when one service changes
    edited: Callable[[Config, int], Config] = lambda config, _: config  # gets the port


def over_http(config: Config, port: int) -> Config:
    """Ingestion calls prompting over HTTP, and not by handle."""
    applications = {application["name"]: application for application in config["applications"]}
    applications["prompting"]["route_prefix"] = "/prompting"
    applications["ingestion"]["args"]["prompting"] = f"http://127.0.0.1:{port}/prompting"
    return config


TOPOLOGIES = {
    "monolith": Topology("monolith", "", "everything: the process starts again, and all streams resume"),
    "microservices": Topology("microservices", INFERENCE, "that service, and its callers where its calls change"),
    "microservices_http": Topology(
        "microservices", INFERENCE, "that service, and its callers where its calls change", over_http
    ),
    "event_driven": Topology("scripted", INFERENCE, "that service; its work waits meanwhile"),
}


class Platform:
    """One that runs, in a data folder of its own."""

    def __init__(self, topology: Topology, config: Path, data: Path, port: int) -> None:
        self.data = data
        self.port = port
        self._topology = topology
        self._command = [sys.executable, "-m", "heliograph", "serve", "--config", str(config)]
        self._command += ["--port", str(port), "--data", str(data)]
        self._program = Program(self._command)

    def ready_s(self) -> float:
        """From process start until it takes jobs; returns when all of its services run."""
        self._program.line("ready ", within_s=START_S)
        ready_s = monotonic() - self._program.started
        self._program.line(ALL_RUN, within_s=START_S)
        return ready_s

    def memory_mib(self) -> float:
        """Of all its processes, with what they share counted once."""
        total = 0
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / MIB

    def kill_worker(self) -> None:
        """SIGKILL for who infers. The only process is started again at once, as a supervisor does."""
        if not self._topology.worker:
            psutil.Process(self._program.pid).kill()
            self._program.stop()
            self._program = Program(self._command)
            return
        victims = next((found for found in (self._workers() for _ in range(LOOKS)) if found), [])
        if not victims:
            raise RuntimeError(f"there is no process {self._topology.worker!r}")
        for victim in victims:
            victim.kill()

    def stop(self) -> None:
        """End it. Raises RuntimeError where it does not."""
        self._program.stop()

    def _workers(self) -> list[psutil.Process]:
        return [each for each in self._tree() if _title(each).startswith(self._topology.worker)]

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._program.pid)
        return [root, *root.children(recursive=True)]


def _title(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


@contextmanager
def started(topology: Topology) -> Iterator[Platform]:
    """The platform with an empty data folder, perhaps not ready yet."""
    port = free_port()
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        config = yaml.safe_load((CONFIGS / f"{topology.config}.yaml").read_text())
        file = Path(folder) / "topology.yaml"
        file.write_text(yaml.safe_dump(topology.edited(config, port)))
        platform = Platform(topology, file, Path(folder) / "data", port)
        try:
            yield platform
        finally:
            platform.stop()
