"""Who does durable three-step jobs behind HTTP: the platform and its peers. Each is started for a turn and then gone.

A peer has one process that takes jobs and `WORKERS` that do them, as the platform has one replica of ingestion, one
of prompting and one of inference; each worker has the slots of our inference replica.
"""

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import NamedTuple

import yaml

from benchmarks.journal_file import JournalFile, open_journal_file, open_journal_schema
from benchmarks.load import templated
from benchmarks.program import REPOSITORY, running
from benchmarks.redis_server import BROKER_DATABASE, client, redis_server
from benchmarks.server import free_port, serve
from configs.settings import CONFIGS
from tests.postgres import PostgresServer

PEERS_BIN = REPOSITORY / "build" / "peers" / ".venv" / "bin"
MODULES = "benchmarks.peers.durable"
WORKERS = 2
SLOTS = 64
START_S = 60
POLL_S = 0.02


class Running(NamedTuple):
    """A side at its turn. A job's text comes back as its result."""

    port: int
    path: str  # where jobs are posted
    body: Callable[[int], dict[str, object]]  # of the job of this number
    result: str  # where a result is waited for, with a place for the id
    finished: Callable[[], int]  # how many jobs have a result

    def wait(self, jobs: int, *, within_s: float) -> float:
        """The monotonic time, up to 20 ms late, at which so many jobs had results. Raises TimeoutError."""
        deadline = monotonic() + within_s
        while (there := self.finished()) < jobs:
            if monotonic() > deadline:
                raise TimeoutError(f"{there} of {jobs} results after {within_s} s")
            sleep(POLL_S)
        return monotonic()


Start = Callable[[PostgresServer], AbstractContextManager[Running]]


class Side(NamedTuple):
    """One who takes turns, and what it promises."""

    start: Start
    jobs: int  # of a turn, so that all take about equally long
    keeps: str  # where jobs are, and when a write is one
    steps: str  # what becomes of a step whose worker dies
    waits: str  # how work and results are waited for


def _body(number: int) -> dict[str, object]:
    return {"model": "scripted", **templated(number), "metadata": {"scripted": json.dumps({"tokens": 1})}}


@contextmanager
def heliograph(database: str = "") -> Iterator[Running]:
    """`configs/scripted.yaml` as it is, in an empty data folder or database."""
    config = yaml.safe_load((CONFIGS / "scripted.yaml").read_text())
    if database:
        config["applications"][0]["args"]["database"] = database
    with ExitStack() as stack:
        file = Path(stack.enter_context(TemporaryDirectory(prefix="heliograph-bench-"))) / "peers.yaml"
        file.write_text(yaml.safe_dump(config))
        server = stack.enter_context(serve(file))
        server.check_haproxy()
        opened = open_journal_schema(database) if database else open_journal_file(server.data)
        journal: JournalFile = stack.enter_context(opened)
        yield Running(server.port, "/async-generate", _body, "/v1/responses/{}?stream=true", journal.completed)


@contextmanager
def peer(module: str, store: str, workers: list[list[str]], *, ready: bool = True) -> Iterator[Running]:
    """The workers of a module in `benchmarks/peers/durable`, and then its endpoint. `ready`: they say when they are."""
    port, settings = free_port(), {"BENCH_STORE": store}
    with ExitStack() as stack:
        for command in workers:
            program = stack.enter_context(running(command, settings))
            if ready:
                program.line("ready", within_s=START_S)
        stack.enter_context(running([*_python(module), "door", str(port)], settings))
        _wait_for(port)
        yield Running(
            port,
            "/jobs",
            lambda number: {"prompt": f"Say {number}."},
            "/jobs/{}/result",
            lambda: int(_get(port, "/finished")),
        )


@contextmanager
def dbos(postgres: PostgresServer) -> Iterator[Running]:
    """On an empty database."""
    with peer("on_dbos", postgres.new_database(), [[*_python("on_dbos"), "work"]] * WORKERS) as side:
        yield side


@contextmanager
def procrastinate(postgres: PostgresServer) -> Iterator[Running]:
    """On an empty database."""
    database = postgres.new_database()
    prepare = [*_python("on_procrastinate"), "prepare"]
    subprocess.run(prepare, env={"BENCH_STORE": database}, cwd=REPOSITORY, check=True)
    with peer("on_procrastinate", database, [[*_python("on_procrastinate"), "work"]] * WORKERS) as side:
        yield side


@contextmanager
def celery(_: PostgresServer) -> Iterator[Running]:
    """On an empty Redis."""
    command = f"celery -A {MODULES}.on_celery worker --pool threads --concurrency {SLOTS} --loglevel warning -n".split()
    with _redis() as store, peer("on_celery", store, _programs(command, WORKERS), ready=False) as side:
        yield side


@contextmanager
def dramatiq(_: PostgresServer) -> Iterator[Running]:
    """On an empty Redis."""
    command = f"dramatiq {MODULES}.on_dramatiq --processes {WORKERS} --threads {SLOTS}".split()
    with _redis() as store, peer("on_dramatiq", store, [_program(command)], ready=False) as side:
        yield side


@contextmanager
def temporal(_: PostgresServer) -> Iterator[Running]:
    """On a server of its own with an empty file."""
    port = free_port()
    with TemporaryDirectory(prefix="heliograph-temporal-") as folder:
        command = f"temporal server start-dev --headless --log-level error --port {port} --db-filename {folder}/db"
        pragmas = "--sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=FULL"
        workers = [[*_python("on_temporal"), "work"]] * WORKERS
        server = running(_program(f"{command} {pragmas}".split()))
        with server, peer("on_temporal", f"127.0.0.1:{port}", workers) as side:
            yield side


SIDES = {
    "heliograph": Side(
        lambda _: heliograph(),
        2000,
        keeps="SQLite, WAL, synchronous=FULL",
        steps="claimed again; the result is committed with the claim's end, once",
        waits="told",
    ),
    "celery": Side(
        celery,
        2000,
        keeps="Redis, appendonly, appendfsync=always",
        steps="acks_late, reject_on_worker_lost: done again, perhaps twice",
        waits="told",
    ),
    "dramatiq": Side(
        dramatiq,
        2000,
        keeps="Redis, appendonly, appendfsync=always",
        steps="acknowledged at its end: done again, perhaps twice",
        waits="told",
    ),
    "temporal": Side(
        temporal,
        500,
        keeps="the dev server's SQLite, WAL, synchronous=FULL",
        steps="each is in the workflow's history, and not done again",
        waits="told",
    ),
    "heliograph_postgres": Side(
        lambda postgres: heliograph(postgres.new_database()),
        2000,
        keeps="Postgres, fsync=on, synchronous_commit=on",
        steps="claimed again; the result is committed with the claim's end, once",
        waits="told",
    ),
    "dbos": Side(
        dbos,
        500,
        keeps="Postgres, fsync=on, synchronous_commit=on",
        steps="each is recorded, and not done again",
        waits="polls every 20 ms (by default every second) for work and for results",
    ),
    "procrastinate": Side(
        procrastinate,
        1000,
        keeps="Postgres, fsync=on, synchronous_commit=on",
        steps="done again by hand (`retry_stalled_jobs`), perhaps twice",
        waits="told of work; looks every 20 ms for results",
    ),
}


def read_result(connection: http.client.HTTPConnection, running: Running, job_id: str) -> str:
    """The answer that holds the result, whole. Raises RuntimeError where there is none."""
    connection.request("GET", running.result.format(job_id))
    reply = connection.getresponse()
    text = reply.read().decode()
    if reply.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{reply.status}: {text[:200]}")
    return text


def _python(module: str) -> list[str]:
    return [str(PEERS_BIN / "python"), "-m", MODULES, module]


def _program(command: list[str]) -> list[str]:
    return [str(PEERS_BIN / command[0]), *command[1:]]


def _programs(command: list[str], number: int) -> list[list[str]]:
    return [[*_program(command), f"worker{place}"] for place in range(number)]


@contextmanager
def _redis() -> Iterator[str]:
    with redis_server() as port, client(port, BROKER_DATABASE) as redis:
        redis.config_set("appendfsync", "always")
        yield f"redis://127.0.0.1:{port}"


def _wait_for(port: int) -> None:
    deadline = monotonic() + START_S
    while True:
        try:
            _get(port, "/finished")
        except ConnectionError:
            if monotonic() > deadline:
                raise
            sleep(POLL_S)
        else:
            return


def _get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return str(json.loads(text))
