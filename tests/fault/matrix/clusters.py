"""The clusters on which cells run: how each is started, how a victim on it dies, and when it is whole again."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from openai import OpenAI

from actors.crash_points import VARIABLE
from actors.journal.workers import LEASE_S
from configs.settings import CONFIGS
from heliograph.models import add_model
from tests.fault.matrix.cells import EVERYTHING, OUTAGE, POSTGRES_SERVER, Cell, Group, Kind
from tests.fault.matrix.rows import Rows, postgres_rows, sqlite_rows
from tests.postgres import PostgresServer
from tests.servers import ServerProcess, by_template, title_of, until

MODEL = "smollm2-135m-instruct"
DIE_S = 60.0  # within which a crash point must be passed
MEND_S = 240.0
REPLICAS = 2
_SHARED = ("JournalActor", "TokenLogActor", "TopicsActor", "ServeController", "/haproxy ")
_TITLES = ("ServeReplica:", "VLLM::EngineCore", *_SHARED)


class ServedCluster:
    """`heliograph serve` with two replicas of every worker."""

    def __init__(self, folder: Path, config: dict[str, Any], model: str) -> None:
        folder.mkdir()
        self._points = folder / "crash_points"
        self._points.mkdir()
        os.environ[VARIABLE] = str(self._points)
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump(config))
        self.server = ServerProcess(file, folder / "data", model=model)
        self._members = Counter[str]()

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        """Returns when it is whole."""
        self.server.start()
        self._members = self._census()

    def stop(self) -> None:
        self.server.stop()

    def rows(self) -> AbstractContextManager[Rows]:
        """The journal's."""
        return sqlite_rows(self.server.data)

    def strike(self, cell: Cell, chance: random.Random) -> float:
        """Let the victim of a cell die; the Unix time at which it did."""
        if cell.crash_point:
            return self._strike_at(cell.victim)
        died_at = time.time()
        if cell.victim == EVERYTHING:
            self.server.kill_everything()
        elif cell.victim == OUTAGE:
            self._stop_for(3 * LEASE_S, "ray::JournalActor")
        elif cell.group is Group.WORKER:
            chance.choice(self.server.find(cell.victim)).kill()
        else:
            self.server.kill(cell.victim)
        return died_at

    def mend(self, cell: Cell) -> None:
        """Returns when the cluster is as it was before."""
        if cell.victim == EVERYTHING:
            self.server.start()
        until(self._whole, seconds=MEND_S, what=f"the cluster to be whole: {self._members} but {self._census()}")

    def tree(self) -> list[psutil.Process]:
        """All its processes."""
        return self.server.tree()

    def _stop_for(self, seconds: float, title: str) -> None:
        """An outage: the process stands still, and then goes on as if nothing had happened."""
        (process,) = self.server.find(title)
        process.suspend()
        time.sleep(seconds)
        process.resume()

    def _strike_at(self, point: str) -> float:
        (self._points / point).touch()
        died = self._points / f"{point}.died"
        until(died.exists, seconds=DIE_S, what=f"a process to pass {point}")
        died_at = died.stat().st_ctime
        died.unlink()
        return died_at

    def _census(self) -> Counter[str]:
        titles = [title_of(process) for process in self.tree()]
        return Counter({title: sum(title in known for known in titles) for title in _TITLES})

    def _whole(self) -> bool:
        return self._census() >= self._members and ready(self.url)


class PostgresCluster(ServedCluster):
    """The same with its stores on a Postgres server, which can be killed."""

    def __init__(self, folder: Path, config: dict[str, Any], model: str) -> None:
        self._postgres = PostgresServer()
        self._postgres.start()
        self._url = self._postgres.new_database()
        _plane(config)["database"] = self._url
        super().__init__(folder, config, model)

    def stop(self) -> None:
        super().stop()
        self._postgres.remove()

    def rows(self) -> AbstractContextManager[Rows]:
        return postgres_rows(self._url)

    def strike(self, cell: Cell, chance: random.Random) -> float:
        assert cell.victim == POSTGRES_SERVER
        died_at = time.time()
        self._postgres.kill()
        time.sleep(chance.uniform(0.5, 3.0))  # an outage, not a blink
        self._postgres.start()
        return died_at


@contextmanager
def cluster(kind: Kind, folder: Path) -> Iterator[ServedCluster]:
    """A cluster of this kind, whole."""
    from tests.fault.matrix.nodes import NodeCluster  # noqa: PLC0415 - it builds on this module

    kinds = {Kind.POSTGRES: PostgresCluster, Kind.NODES: NodeCluster}
    config, model = config_of(kind)
    made = kinds.get(kind, ServedCluster)(folder, config, model)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def body(kind: Kind, number: int) -> dict[str, Any]:
    """What a client asks for: about two seconds of work, in many tokens."""
    if kind is Kind.VLLM:
        return {"model": MODEL, "prompt": f"Count from {number} upwards.", "max_output_tokens": 16}
    script = '{"tokens": 20, "delay_ms": 100}'
    return {"model": "scripted", **by_template(number), "metadata": {"scripted": script}}


def search_body(store: str, number: int) -> dict[str, Any]:
    """The same of a response that searches in a vector store first."""
    asked = body(Kind.SCRIPTED, number)
    tool = {"type": "file_search", "vector_store_ids": [store]}
    return {
        "model": asked["model"],
        "input": f"Say something about {number}.",
        "metadata": asked["metadata"],
        "tools": [tool],
        "background": True,
    }


def make_store(url: str) -> str:
    """A vector store with two small files."""
    with OpenAI(base_url=f"{url}/v1", api_key="none") as openai:
        store = openai.vector_stores.create(name="matrix").id
        files = [("rays.txt", b"Rays of light carry messages."), ("tea.txt", b"Tea is a hot drink.")]
        batch = openai.vector_stores.file_batches.upload_and_poll(store, files=files)
    assert batch.file_counts.completed == len(files), batch
    return store


def ready(url: str) -> bool:
    """Whether jobs would be worked on."""
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def config_of(kind: Kind) -> tuple[dict[str, Any], str]:
    """The config of production, but for the number of replicas."""
    name, model = ("event-driven.yaml", MODEL) if kind is Kind.VLLM else ("scripted.yaml", "scripted")
    if kind is Kind.VLLM:
        add_model(MODEL)
    config: dict[str, Any] = yaml.safe_load((CONFIGS / name).read_text())
    for application in config["applications"]:
        service = application["name"].partition(".")[0]
        if service == "inference":
            application["args"]["replicas"] = {"least": REPLICAS, "most": REPLICAS}
            half = {"name": service, "num_replicas": REPLICAS, "ray_actor_options": {"num_cpus": 0.3}}
            application["deployments"] = [half]  # so that both find room on two cores
        elif service in ("prompting", "knowledge", "ingestion"):
            application["deployments"] = [{"name": service, "num_replicas": REPLICAS}]
    return config, model


def _plane(config: dict[str, Any]) -> dict[str, Any]:
    args: dict[str, Any] = next(a for a in config["applications"] if a["name"] == "plane")["args"]
    return args
