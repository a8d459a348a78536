"""Durable jobs per second over HTTP, beside Ray Serve's asynchronous inference and an endpoint that does nothing.

All sides live in one cluster behind one HAProxy, with one replica of each kind, and take turns; who is not at turn is
idle. A job counts when its result is committed and synced (ours), is in Redis (theirs), or is answered (the constant).
Ours comes twice: with plain prompts, which ingestion renders, and with a template, which takes prompting as a further
step. Rates are compared within their round. Then come requests one by one: what ours takes longer than the constant to
give an id, each after the job before has ended. At last the same cluster with our journal in Postgres, which syncs too.
"""

import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple

import uvloop
import yaml
from redis import Redis

from benchmarks.journal_file import JournalFile, open_journal_file, open_journal_schema
from benchmarks.load import Load, post, send, templated
from benchmarks.peers.application import application
from benchmarks.postgres_server import postgres_server
from benchmarks.processes import processor_s
from benchmarks.ratios import Spread, differences, ratios
from benchmarks.redis_server import RESULT_DATABASE, client, redis_server, wait_for_size
from benchmarks.server import Server, serve
from configs.profiles import load_profile
from configs.settings import CONFIGS

ROUNDS = 5
CONNECTIONS = 64
TURN_S = 300
PAUSE_S = 1  # between turns: what one left to do must not cost the next

MOST = 16  # processes that are told of
ALONE = 200  # requests of each that come one by one
_JSON = {"Content-Type": "application/json"}

OURS, TEMPLATED, ASYNC, NOOP = "heliograph", "heliograph_templated", "ray_serve_async", "noop"
PEERS = (ASYNC, "ray_serve_async_always", NOOP)
_numbers = count()  # of prompts


def _plain(number: int) -> dict[str, Any]:
    return {"prompt": f"Say something about {number}."}


class Side(NamedTuple):
    """One who takes turns; `jobs` makes the turns of all last about equally long."""

    path: str
    jobs: int
    prepare: Callable[[], object]
    last_result: Callable[[Load], float]  # waits for it; its monotonic time
    asks: Callable[[int], dict[str, Any]] = _plain  # what a job is to say, by its number

    def body(self) -> dict[str, Any]:
        """Of the next request."""
        return {"model": "scripted", **self.asks(next(_numbers))}


def sides(journal: JournalFile, redis: Redis) -> dict[str, Side]:
    """Everybody, by name."""

    def task_consumer(appendfsync: str) -> Side:
        def prepare() -> None:
            redis.flushdb()
            redis.config_set("appendfsync", appendfsync)

        return Side("/task/async-generate", 1000, prepare, lambda _: wait_for_size(redis, 1000, within_s=TURN_S))

    ours = Side("/async-generate", 3000, lambda: None, lambda _: journal.wait(within_s=TURN_S))
    return {
        OURS: ours,
        TEMPLATED: ours._replace(asks=templated),
        ASYNC: task_consumer("everysec"),
        "ray_serve_async_always": task_consumer("always"),
        NOOP: Side("/constant/async-generate", 6000, lambda: None, lambda load: load.answered),
    }


def turn(side: Side, port: int) -> float:
    """Jobs per second from the first request to the last result."""
    sleep(PAUSE_S)
    side.prepare()
    requests = [post(side.path, side.body()) for _ in range(side.jobs)]
    load = uvloop.run(send(port, requests, connections=CONNECTIONS))
    load.check(202)
    return side.jobs / (side.last_result(load) - load.started)


def measure(everybody: Mapping[str, Side], port: int) -> dict[str, list[float]]:
    """Each side's rates by round, after a round that only warms up."""
    rates = {name: list[float]() for name in everybody}
    for number in range(ROUNDS + 1):
        for name, side in everybody.items():
            rate = turn(side, port)
            print(f"round {number}  {name:24}{rate:8.0f} jobs/s{'' if number else '  (warm-up)'}", flush=True)
            if number:
                rates[name].append(rate)
    return rates


def accept_added(everybody: Mapping[str, Side], port: int) -> Spread:
    """Milliseconds that ours takes longer than the constant to answer one request, pair by pair on the idle system."""
    times: dict[str, list[float]] = {NOOP: [], OURS: []}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TURN_S)
    for _ in range(ALONE):
        for name, figures in times.items():
            begun = monotonic()
            connection.request("POST", everybody[name].path, json.dumps(everybody[name].body()), _JSON)
            connection.getresponse().read()
            answered = monotonic()
            everybody[name].last_result(Load(begun, answered, Counter()))
            figures.append((answered - begun) * 1000)
    connection.close()
    return differences(times[OURS], times[NOOP])


def processor_us(side: Side, server: Server) -> dict[str, int]:
    """Microseconds of processor time for each job of one more turn, by process, those that use most first."""
    before = processor_s(server.pid)
    turn(side, server.port)
    used = {name: seconds - before.get(name, 0.0) for name, seconds in processor_s(server.pid).items()}
    most = sorted(used, key=used.__getitem__, reverse=True)[:MOST]
    return {name: round(used[name] / side.jobs * 1e6) for name in most}


def result(
    rates: Mapping[str, Sequence[float]],
    added: Spread,
    on_postgres: Mapping[str, Sequence[float]],
    used: Mapping[str, int],
) -> dict[str, Any]:
    """The comparisons, each a median, with their spreads and all rates."""
    spreads = {f"vs_{peer}": ratios(rates[OURS], rates[peer]) for peer in PEERS}
    spreads["templated_vs_ray_serve_async"] = ratios(rates[TEMPLATED], rates[ASYNC])
    spreads["vs_ray_serve_async_postgres"] = ratios(on_postgres[OURS], on_postgres[ASYNC])
    spreads["accept_added_ms"] = added
    return {
        **{name: round(spread.median, 3) for name, spread in spreads.items()},
        "least_to_greatest": {name: [round(s.least, 3), round(s.greatest, 3)] for name, s in spreads.items()},
        "jobs_per_s": {name: [round(rate) for rate in side] for name, side in rates.items()},
        "processor_us": dict(used),
        "jobs_per_s_postgres": {name: [round(rate) for rate in side] for name, side in on_postgres.items()},
    }


@contextmanager
def cluster(redis_port: int, database: str = "") -> Iterator[Server]:
    """The platform as `configs/scripted.yaml` has it, or on this database, and the peers as further applications."""
    config = yaml.safe_load((CONFIGS / "scripted.yaml").read_text())
    config["applications"][0]["args"]["database"] = database
    profile = load_profile("scripted")
    task = {"redis_port": redis_port, "slots": profile.slots, "tokens": profile.default_max_output_tokens}
    config["applications"] += [
        application("constant", "/constant"),
        application("task_consumer", "/task", **task),
    ]
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(yaml.safe_dump(config))
        with serve(file) as server:
            server.check_haproxy()
            yield server


@contextmanager
def house(database: str = "") -> Iterator[tuple[dict[str, Side], Server]]:
    """Everybody, and where they are. Raises RuntimeError at its end where a job of ours has no result."""
    with ExitStack() as stack:
        redis_port = stack.enter_context(redis_server())
        redis = stack.enter_context(client(redis_port, RESULT_DATABASE))
        server = stack.enter_context(cluster(redis_port, database))
        opened = open_journal_schema(database) if database else open_journal_file(server.data)
        journal = stack.enter_context(opened)
        yield sides(journal, redis), server
        if journal.failed():
            raise RuntimeError(f"{journal.failed()} jobs have no result")


def main() -> None:
    """Print every rate, then the result."""
    with house() as (everybody, server):
        rates, added = measure(everybody, server.port), accept_added(everybody, server.port)
        used = processor_us(everybody[OURS], server)
    with postgres_server() as postgres, house(postgres.new_database()) as (everybody, server):
        on_postgres = measure({name: everybody[name] for name in (OURS, ASYNC)}, server.port)
    print(json.dumps(result(rates, added, on_postgres, used)))


if __name__ == "__main__":
    main()
