"""The wirings of the platform on the same machine under the same load: what each costs, bears and survives.

A job generates eight tokens at a set pace in one of 64 slots, so that no wiring can do more than `CEILING` jobs per
second, and takes `WORK_S` at least. Each wiring is started for its turn alone, on an empty data folder.
"""

import argparse
import http.client
import json
from collections.abc import Iterator, Sequence
from itertools import count, repeat
from statistics import median
from time import monotonic, sleep
from typing import Any, NamedTuple

import uvloop

from benchmarks.arrivals import Answer, offer, poisson
from benchmarks.journal_file import JournalFile, open_journal_file
from benchmarks.load import post, send, templated
from benchmarks.program import REPOSITORY
from benchmarks.ratios import spread
from benchmarks.topologies_page import write
from benchmarks.topology import TOPOLOGIES, Platform, Topology, started

ROUNDS = 5
TOKENS, PACE_MS, SLOTS = 8, 40, 64
WORK_S = TOKENS * PACE_MS / 1000
CEILING = SLOTS / WORK_S
LONG_S = 2.0  # jobs under way when a worker dies

ALONE = 60  # jobs that come one after the other
LOAD_S = 15  # of what a wiring can do at the most, and of four fifths of that
BURST, BURST_S = 10, 2  # times what it can do, for so long
CONNECTIONS = 128
FIGURES = REPOSITORY / "build" / "topologies.json"
WAIT_S = 300
TRY_S = 0.05


class Figures(NamedTuple):
    """One turn of one wiring."""

    start_s: float  # from process start until it takes jobs
    memory_mib: float  # then, all processes together
    idle_p50_ms: float  # from a request to its whole answer; of jobs that come alone
    idle_p99_ms: float
    jobs_per_s: float  # at the most
    loaded_p50_ms: float  # at four fifths of that
    loaded_p99_ms: float
    loaded_errors: int  # requests without a whole answer; their time counts until that is known
    burst_errors: int  # refused or unanswered requests
    burst_lost: int  # accepted jobs without a result
    drain_s: float  # from the last answer to the last result
    recovery_s: float  # from the death of a worker to the result of a job that was accepted after it
    recovery_errors: int
    recovery_lost: int
    memory_loaded_mib: float  # at the end


class Turn:
    """Goes through everything with one wiring."""

    def __init__(self, platform: Platform, journal: JournalFile) -> None:
        self._platform = platform
        self._port = platform.port
        self._journal = journal
        self._numbers = count()
        self._earlier = ""  # the response that the others go on from, which takes prompting and history

    def idle(self) -> list[float]:
        """Milliseconds of jobs that come alone."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_S)
        times = [self._ask(connection) for _ in range(ALONE)]
        connection.close()
        return times

    def capacity(self) -> float:
        """Jobs per second, each asked for when another is answered, with more of them than slots."""
        requests = [post("/v1/responses", self._response()) for _ in range(round(CEILING * LOAD_S))]
        load = uvloop.run(send(self._port, requests, connections=CONNECTIONS))
        load.check(200)
        return len(requests) / (load.answered - load.started)

    def loaded(self, per_s: float) -> tuple[float, float, int]:
        """Median and 99th percentile in milliseconds, and errors, of jobs that come by chance, so many per second."""
        requests = [post("/v1/responses", self._response()) for _ in range(round(per_s * LOAD_S))]
        answers = uvloop.run(offer(self._port, requests, poisson(per_s, seed=1)))
        times = [answer.seconds * 1000 for answer in answers]
        errors = sum(answer.status != http.HTTPStatus.OK for answer in answers)
        return median(times), percentile(times, 0.99), errors

    def burst(self, per_s: float) -> tuple[int, int, float]:
        """Errors, lost jobs, and seconds from the last answer to the last result."""
        requests = [self._job() for _ in range(round(per_s * BURST_S))]
        answers = uvloop.run(offer(self._port, requests, repeat(1 / per_s)))
        drained = self._journal.wait(within_s=WAIT_S)
        ids = accepted(answers)
        drain_s = drained - max(answer.ended for answer in answers)
        return len(answers) - len(ids), self._journal.lost(ids), max(0.0, drain_s)

    def recovery(self) -> tuple[float, int, int]:
        """Seconds, errors and lost jobs of a worker's death with all slots taken."""
        requests = [self._job(round(LONG_S * 1000 / PACE_MS)) for _ in range(SLOTS)]
        ids = accepted(uvloop.run(offer(self._port, requests, repeat(0.0))))
        self._await_tokens(ids)
        self._platform.kill_worker()
        killed, errors = monotonic(), 0
        while not (fresh := self._try_job()):
            errors += 1
            sleep(TRY_S)
        while self._journal.lost(fresh):
            if monotonic() - killed > WAIT_S:
                raise TimeoutError(f"no job was done within {WAIT_S} s of a worker's death")
            sleep(TRY_S)
        recovered = monotonic() - killed
        self._journal.wait(within_s=WAIT_S)
        return recovered, errors + SLOTS - len(ids), self._journal.lost([*ids, *fresh])

    def _ask(self, connection: http.client.HTTPConnection) -> float:
        """Milliseconds until a response is whole. The first of all is the one that the others go on from."""
        begun = monotonic()
        connection.request("POST", "/v1/responses", json.dumps(self._response()), _JSON)
        answer = json.loads(connection.getresponse().read())
        took = (monotonic() - begun) * 1000
        if answer["status"] != "completed":
            raise RuntimeError(f"a job alone is {answer['status']}")
        self._earlier = self._earlier or answer["id"]
        return took

    def _try_job(self) -> list[str]:
        """The id of a new job, where it is accepted."""
        return accepted(uvloop.run(offer(self._port, [self._job()], repeat(0.0))))

    def _await_tokens(self, ids: Sequence[str]) -> None:
        """Returns when these jobs have begun; where that takes long, some have ended by then."""
        deadline = monotonic() + WAIT_S
        while (begun := len(ids) - self._journal.lost(ids) + self._journal.begun()) < len(ids):
            if monotonic() > deadline:
                raise TimeoutError(f"{begun} of {len(ids)} jobs have begun")
            sleep(TRY_S)

    def _job(self, tokens: int = TOKENS) -> bytes:
        return post("/async-generate", {**_script(tokens), **templated(next(self._numbers))})

    def _response(self) -> dict[str, Any]:
        asked = {**_script(TOKENS), "input": f"Say something about {next(self._numbers)}."}
        return asked | {"previous_response_id": self._earlier} if self._earlier else asked


def accepted(answers: Sequence[Answer]) -> list[str]:
    """The ids of the jobs that were."""
    return [json.loads(each.body)["job_id"] for each in answers if each.status == http.HTTPStatus.ACCEPTED]


def percentile(figures: Sequence[float], share: float) -> float:
    """The least figure that is not exceeded by this share of them."""
    ranked = sorted(figures)
    return ranked[max(0, -(-len(ranked) * round(share * 100) // 100) - 1)]


def turn(topology: Topology) -> Figures:
    """All figures of one wiring."""
    with started(topology) as platform:
        start_s = platform.ready_s()
        with open_journal_file(platform.data) as journal:
            parts = Turn(platform, journal)
            parts.idle()  # warms up
            memory = platform.memory_mib()
            idle, capacity = parts.idle(), parts.capacity()
            loaded = parts.loaded(0.8 * capacity)
            burst = parts.burst(BURST * capacity)
            loaded_memory = platform.memory_mib()
            recovery = parts.recovery()
    return Figures(
        start_s, memory, median(idle), percentile(idle, 0.99), capacity, *loaded,
        *burst, *recovery, loaded_memory,
    )  # fmt: skip


def result(turns: dict[str, list[Figures]]) -> dict[str, Any]:
    """Median, least and greatest of every figure of every wiring."""
    return {
        name: {
            field: [round(figure, 2) for figure in spread(column)]
            for field, column in zip(Figures._fields, zip(*figures, strict=True), strict=True)
        }
        for name, figures in turns.items()
    }


def measure(names: Sequence[str], rounds: int) -> dict[str, list[Figures]]:
    """Every wiring's turns; the order turns round with each round."""
    turns: dict[str, list[Figures]] = {name: [] for name in names}
    for number, name in _order(names, rounds):
        turns[name].append(turn(TOPOLOGIES[name]))
        print(f"round {number + 1}  {name:20}{turns[name][-1]}", flush=True)
    return turns


def _order(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    return ((number, name) for number in range(rounds) for name in names[:: -1 if number % 2 else 1])


def _script(tokens: int) -> dict[str, Any]:
    script = json.dumps({"tokens": tokens, "delay_ms": PACE_MS})
    return {"model": "scripted", "max_output_tokens": max(16, tokens), "metadata": {"scripted": script}}


_JSON = {"Content-Type": "application/json"}


def main() -> None:
    """Print every turn, write the page if asked to, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.topologies", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--topologies", nargs="+", default=list(TOPOLOGIES), choices=list(TOPOLOGIES))
    parser.add_argument("--write", action="store_true", help="put the table and the plots into docs/")
    asked = parser.parse_args()
    figures = result(measure(asked.topologies, asked.rounds))
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures))
    if asked.write:
        write(FIGURES)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
