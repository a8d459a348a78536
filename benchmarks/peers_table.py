"""Durable three-step jobs per second, and what a job takes alone, beside products that do steps durably.

The job does nothing: it is accepted, goes through three steps (ours: render, infer one token, commit the result) and
has a result. Every side is started for its turn alone, on an empty store; the order turns round with each round.
"""

import argparse
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from statistics import median
from time import monotonic
from typing import Any, NamedTuple

import uvloop

from benchmarks.durable_sides import SIDES, Running, Side, read_result
from benchmarks.load import post, send
from benchmarks.postgres_server import postgres_server
from benchmarks.ratios import ratios, spread
from tests.postgres import PostgresServer

ROUNDS = 5
CONNECTIONS = 64
WARM_UP = 200
PROBES = 30  # jobs that come alone, one after the other
TURN_S = 300

PARTNERS = {  # who is compared with which of ours
    "dbos": "heliograph_postgres",
    "procrastinate": "heliograph_postgres",
    "celery": "heliograph",
    "dramatiq": "heliograph",
    "temporal": "heliograph",
}


class Turn(NamedTuple):
    """What a side did. Times are medians of jobs that came alone, in milliseconds from the start of the request."""

    jobs_per_s: float
    accept_ms: float  # until the job's id is there
    result_ms: float  # until its result is read


def load(running: Running, jobs: int, numbers: Iterator[int]) -> float:
    """Jobs per second, from the first request to the last result. Raises RuntimeError where one is refused."""
    before = running.finished()
    requests = [post(running.path, running.body(next(numbers))) for _ in range(jobs)]
    sent = uvloop.run(send(running.port, requests, connections=CONNECTIONS))
    sent.check(202)
    return jobs / (running.wait(before + jobs, within_s=TURN_S) - sent.started)


def alone(connection: http.client.HTTPConnection, running: Running, number: int) -> tuple[float, float]:
    """Seconds of one job until it is accepted, and until its result is read."""
    body = json.dumps(running.body(number))
    started = monotonic()
    connection.request("POST", running.path, body, {"Content-Type": "application/json"})
    job_id = json.loads(connection.getresponse().read())["job_id"]
    accepted = monotonic()
    read_result(connection, running, job_id)
    return accepted - started, monotonic() - started


def turn(side: Side, postgres: PostgresServer, share: float) -> Turn:
    """Start a side, warm it up, load it, ask it for jobs one by one, and stop it."""
    numbers = count()
    with side.start(postgres) as running:
        load(running, WARM_UP, numbers)
        rate = load(running, round(side.jobs * share), numbers)
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=TURN_S)
        probes = [alone(connection, running, next(numbers)) for _ in range(PROBES)]
        connection.close()
    return Turn(rate, *(median(seconds) * 1000 for seconds in zip(*probes, strict=True)))


def measure(sides: Mapping[str, Side], rounds: int, share: float) -> dict[str, list[Turn]]:
    """Everybody's turns by round."""
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    with postgres_server() as postgres:
        for number in range(rounds):
            for name in list(sides)[:: 1 if number % 2 else -1]:
                done = turn(sides[name], postgres, share)
                turns[name].append(done)
                figures = f"{done.jobs_per_s:8.0f} jobs/s {done.accept_ms:8.1f} {done.result_ms:8.1f} ms"
                print(f"round {number + 1}  {name:20}{figures}", flush=True)
    return turns


def result(turns: Mapping[str, Sequence[Turn]]) -> dict[str, Any]:
    """Ours by theirs: rates, so more is better, and times of a job alone, so less is."""
    figures: dict[str, Any] = {}
    for peer, ours in PARTNERS.items():
        if peer in turns and ours in turns:
            mine, theirs = turns[ours], turns[peer]
            rate = ratios([each.jobs_per_s for each in mine], [each.jobs_per_s for each in theirs])
            time = ratios([each.result_ms for each in mine], [each.result_ms for each in theirs])
            figures[f"vs_{peer}"] = [round(figure, 3) for figure in rate]
            figures[f"time_vs_{peer}"] = [round(figure, 3) for figure in time]
    return figures | {
        name: {field: [round(figure, 2) for figure in spread(column)] for field, column in _columns(side)}
        for name, side in turns.items()
    }


def table(turns: Mapping[str, Sequence[Turn]]) -> list[str]:
    """The lines of a table in Markdown: median (least to greatest)."""
    head = ["", "jobs/s", "accepted, ms", "result, ms", "jobs are kept in", "a step whose worker dies", "waiting"]
    rows = [
        [f"`{name}`", *(str(spread(column)) for _, column in _columns(side)), *SIDES[name][2:]]
        for name, side in turns.items()
    ]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _columns(side: Sequence[Turn]) -> list[tuple[str, list[float]]]:
    return list(zip(Turn._fields, [list(column) for column in zip(*side, strict=True)], strict=True))


def main() -> None:
    """Print every turn, the table, and the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers_table", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--share", type=float, default=1.0, help="of the jobs of a turn")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES))
    asked = parser.parse_args()
    turns = measure({name: SIDES[name] for name in asked.sides}, asked.rounds, asked.share)
    print("\n".join(table(turns)))
    print(json.dumps(result(turns)))


if __name__ == "__main__":
    main()
