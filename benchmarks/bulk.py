"""Jobs that come by the thousand: durable answers per second, and results per second.

`configs/scripted.yaml` with as many slots as vLLM has on a GPU where nobody says otherwise.
`POST /jobs` takes 1 000 jobs a call. A job is accepted when its answer is there, which is after its commit is synced,
and finished when its result is: seen by a second, read-only connection to the journal's file.
"""

import argparse
import json
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any, NamedTuple

import uvloop

from benchmarks.journal_file import JournalFile, open_journal_file
from benchmarks.lanes import Lane, connected
from benchmarks.lanes import run as send
from benchmarks.load import post
from benchmarks.ratios import spread
from benchmarks.server import serve, with_model
from configs.settings import CONFIGS

MODEL = "scripted-wide"
ROUNDS = 5
JOBS = 50_000
PER_CALL = 1_000
CONNECTIONS = 4
PAUSE_S = 1
WAIT_S = 600


class Rates(NamedTuple):
    """Jobs per second, both from the first request on."""

    accepted_per_s: float
    finished_per_s: float


class Call(Lane):
    """One connection, which keeps the answers' bodies."""

    def __init__(self, source: Iterator[bytes], bodies: list[bytes]) -> None:
        super().__init__(source)
        self._bodies = bodies
        self._pieces: list[bytes] = []

    def on_body(self, piece: bytes) -> None:
        """Part of a body."""
        self._pieces.append(piece)

    def answered(self) -> None:
        """Keep the body."""
        self._bodies.append(b"".join(self._pieces))
        self._pieces.clear()


def calls(jobs: int, first: int) -> list[bytes]:
    """The requests of so many jobs, whose prompts all differ. Raises ValueError for a part of a call."""
    if jobs % PER_CALL:
        raise ValueError(f"{jobs} jobs are no whole calls of {PER_CALL}")
    return [
        post(
            "/jobs",
            {"jobs": [{"model": MODEL, "prompt": f"Say something about {start + n}."} for n in range(PER_CALL)]},
        )
        for start in range(first, first + jobs, PER_CALL)
    ]


def accepted(bodies: list[bytes]) -> int:
    """How many jobs have ids. Raises RuntimeError where one was refused."""
    answers = [answer for body in bodies for answer in json.loads(body)["data"]]
    refused = [answer for answer in answers if "job_id" not in answer]
    if refused:
        raise RuntimeError(f"{len(refused)} jobs were refused: {refused[0]}")
    return len({answer["job_id"] for answer in answers})


async def submit(port: int, requests: list[bytes]) -> tuple[float, float, list[bytes]]:
    """When the first request was sent, when the last answer was whole, and the bodies. Raises ConnectionError."""
    source, bodies = iter(requests), list[bytes]()
    lanes = await connected(port, lambda: Call(source, bodies), CONNECTIONS)
    started = monotonic()
    await send(lanes)
    return started, monotonic(), bodies


def turn(port: int, journal: JournalFile, jobs: int, first: int) -> Rates:
    """Submit jobs, and wait for their results."""
    sleep(PAUSE_S)
    started, answered, bodies = uvloop.run(submit(port, calls(jobs, first)))
    if (there := accepted(bodies)) != jobs:
        raise RuntimeError(f"{there} ids for {jobs} jobs")
    return Rates(jobs / (answered - started), jobs / (journal.wait(within_s=WAIT_S) - started))


def result(rates: list[Rates]) -> dict[str, Any]:
    """Medians, spreads, and all rates."""
    columns = dict(zip(Rates._fields, (list(column) for column in zip(*rates, strict=True)), strict=True))
    spreads = {name: spread(column) for name, column in columns.items()}
    return {
        **{name: round(each.median) for name, each in spreads.items()},
        "least_to_greatest": {name: [round(each.least), round(each.greatest)] for name, each in spreads.items()},
        "rounds": {name: [round(rate) for rate in column] for name, column in columns.items()},
    }


def main() -> None:
    """Print every round, then the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--jobs", type=int, default=JOBS, help="of a round, by the thousand")
    asked = parser.parse_args()
    rates = []
    with (
        with_model(CONFIGS / "scripted.yaml", MODEL, instead_of="scripted") as config,
        serve(config) as server,
        open_journal_file(server.data) as journal,
    ):
        server.check_haproxy()
        for number in range(asked.rounds + 1):
            done = turn(server.port, journal, asked.jobs, number * asked.jobs)
            warm_up = "" if number else "  (warm-up)"
            figures = f"accepted {done.accepted_per_s:8.0f}, finished {done.finished_per_s:8.0f} jobs/s"
            print(f"round {number}  {figures}{warm_up}", flush=True)
            rates += [done] if number else []
        if journal.failed():
            raise RuntimeError(f"{journal.failed()} jobs have no result")
    print(json.dumps(result(rates)))


if __name__ == "__main__":
    main()
