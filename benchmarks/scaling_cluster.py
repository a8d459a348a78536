"""The same comparison on a real Ray: one after the other, each from zero replicas and back to zero.

Jobs wait and compute nothing, so that two cores carry three replicas; ours go the whole way of a job. Replica-seconds
are those of processes that live, seen once a second.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import psutil
import yaml

from benchmarks.journal_file import JournalFile, open_journal_file
from benchmarks.peers.application import OPEN_REQUESTS
from benchmarks.redis_server import RESULT_DATABASE, client, redis_server
from benchmarks.server import Server, serve
from configs.profiles import load_profile
from configs.settings import CONFIGS

OURS = "heliograph"
MODEL = "scripted"
BOUNDS = {"upscale_delay_s": 0.0, "downscale_delay_s": 5.0, "downscale_to_zero_delay_s": 5.0}
MOST = 3
BACKLOG_S = 5.0
PATIENCE_S = 240.0  # for results, and for the last replica to go
SILENCE_S = 60.0  # without a replica and a result: nothing comes any more, unless an hour later
POLL_S = 1.0
TOKENS = 10  # of our jobs, spread over their time


class Arrival(NamedTuple):
    """A job, so many seconds after the first."""

    at_s: float
    seconds: float


class Side(NamedTuple):
    """One way."""

    path: str
    replica: str  # what is in the titles of its replicas' processes
    body: Callable[[float], dict[str, Any]]
    results: Callable[[int], int]  # of all turns; told how many requests have been answered with success


def loads() -> dict[str, list[Arrival]]:
    """Many short jobs at once; and jobs of 25 s that begin while the replicas of a burst go."""
    burst = [Arrival(0.0, 1.0)] * 300
    return {"zero_burst_zero": burst, "long_jobs": [*burst, *(Arrival(2.0 + n / 2, 25.0) for n in range(60))]}


def ours(seconds: float) -> dict[str, Any]:
    """The body of a job of ours."""
    script = {"tokens": TOKENS, "delay_ms": seconds * 1000 / TOKENS}
    return {"model": MODEL, "prompt": "Wait.", "metadata": {"scripted": json.dumps(script)}}


def theirs(seconds: float) -> dict[str, Any]:
    """The body of a peer's."""
    return {"seconds": seconds}


def sides(journal: JournalFile, tasks_done: Callable[[], int]) -> dict[str, Side]:
    """Everybody, by name."""

    def finished(answered: int) -> int:
        return answered - journal.open_jobs() - journal.failed()

    return {
        OURS: Side("/async-generate", f"ServeReplica:inference.{MODEL}", ours, finished),
        "serve_requests": Side("/calls/run", "ServeReplica:calls:worker", theirs, lambda answered: answered),
        "serve_async_inference": Side("/tasks/run", "ServeReplica:tasks:worker", theirs, lambda _: tasks_done()),
    }


class Turn:
    """One side under one load."""

    def __init__(self, side: Side, server: Server, jobs: Sequence[Arrival], answered: int) -> None:
        self._side = side
        self._server = server
        self._jobs = jobs
        self._answered = answered  # in earlier turns
        self._base = side.results(answered)
        self._started = 0.0
        self._replica_s = 0.0
        self._last_s = 0.0

    @property
    def answered(self) -> int:
        """Requests answered with success so far, in all turns of this side."""
        return self._answered

    async def run(self) -> dict[str, Any]:
        """The figures, once all have results and all replicas are gone, or patience is at its end."""
        self._started = time.monotonic()
        limits = httpx.Limits(max_connections=len(self._jobs))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._server.port}", timeout=PATIENCE_S, limits=limits
        ) as http:
            sent = [asyncio.create_task(self._send(http, job)) for job in self._jobs]
            most = await self._watch()
            for task in sent:
                task.cancel()
            await asyncio.gather(*sent, return_exceptions=True)
        done = self._done()
        return {
            "jobs": len(self._jobs),
            "without_result": len(self._jobs) - done,
            "last_result_s": round(self._last_s, 1),
            "replica_s": round(self._replica_s),
            "most_replicas": most,
        }

    async def _send(self, http: httpx.AsyncClient, job: Arrival) -> None:
        await asyncio.sleep(job.at_s)
        reply = await http.post(self._side.path, json=self._side.body(job.seconds))
        self._answered += reply.is_success

    async def _watch(self) -> int:
        give_up_at = self._started + PATIENCE_S
        done = most = 0
        seen = moved = time.monotonic()
        while (now := time.monotonic()) < min(give_up_at, moved + SILENCE_S):
            alive = await asyncio.to_thread(self._replicas)
            self._replica_s += alive * (now - seen)
            most, seen = max(most, alive), now
            moved = now if alive else moved
            if self._done() > done:
                done, self._last_s, moved = self._done(), now - self._started, now
            if done == len(self._jobs) and not alive:
                break
            await asyncio.sleep(POLL_S)
        return most

    def _done(self) -> int:
        return self._side.results(self._answered) - self._base

    def _replicas(self) -> int:
        tree = psutil.Process(self._server.pid).children(recursive=True)
        return sum(self._side.replica in _title(process) for process in tree)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def cluster(redis_port: int) -> Iterator[Server]:
    """The platform without what these jobs do not need, and both peers."""
    config = yaml.safe_load((CONFIGS / "scripted.yaml").read_text())
    wanted = ("plane", "prompting", f"inference.{MODEL}", "history", "ingestion")
    applications = {each["name"]: each for each in config["applications"] if each["name"] in wanted}
    replicas = {"least": 0, "most": MOST, "backlog_s": BACKLOG_S, **BOUNDS}
    applications[f"inference.{MODEL}"]["args"] |= {"replicas": replicas}
    applications["ingestion"]["args"] |= {"on_demand": [MODEL], "encoder": "", "encoders": []}
    config["applications"] = [*applications.values(), *(_peer(name, redis_port) for name in ("calls", "tasks"))]
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        file = Path(folder) / "scaling.yaml"
        file.write_text(yaml.safe_dump(config))
        with serve(file) as server:
            yield server


def _peer(name: str, redis_port: int) -> dict[str, Any]:
    args = {
        "slots": load_profile(MODEL).slots,
        "scaling": {"min_replicas": 0, "max_replicas": MOST, **BOUNDS},
        "max_ongoing_requests": OPEN_REQUESTS,
        "redis_port": redis_port,
    }
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": f"benchmarks.peers.scaled:{name}",
        "args": args,
    }


def measure() -> Mapping[str, Mapping[str, Any]]:
    """Every side under every load."""
    results: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        redis_port = stack.enter_context(redis_server())
        redis = stack.enter_context(client(redis_port, RESULT_DATABASE))
        server = stack.enter_context(cluster(redis_port))
        journal = stack.enter_context(open_journal_file(server.data))
        everybody = sides(journal, lambda: int(redis.dbsize()))
        answered = dict.fromkeys(everybody, 0)
        for (load, jobs), (name, side) in chain.from_iterable(
            ((load, side) for side in everybody.items()) for load in loads().items()
        ):
            turn = Turn(side, server, jobs, answered[name])
            results.setdefault(load, {})[name] = asyncio.run(turn.run())
            answered[name] = turn.answered
            print(f"real {load:16}{name:22}{results[load][name]}", flush=True)
    return results
