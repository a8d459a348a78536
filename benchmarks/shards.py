"""Jobs per second through the journals alone, of one shard and of two, against what a model says of them.

A shard is a process with a journal on SQLite, as its actor is; nothing else runs. Jobs are submitted, rendered,
inferred (all without the work itself) and sealed, one stage after the other, so that each has a cost of its own.
The model: N shards have N times the workers, each of which divides its slots among them, so a shard's claims are
an N-th as large and N times as many. So a job costs `job_s + claim_s / slots`, both measured at one shard, with
large claims and with small ones.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.program import Program, running

SLOTS = 64  # of a claim at one shard
MOST = 8  # shards, up to which the model is asked
JOBS = 20_000  # per shard
ROUNDS = 3
WITHIN_S = 300.0


class Cost(NamedTuple):
    """Seconds of wall and of CPU time for a job."""

    wall_s: float
    cpu_s: float


class Model(NamedTuple):
    """What a job costs a shard: CPU seconds, apart from claims and per claim; and how much of a core it keeps busy."""

    job_s: float
    claim_s: float
    busy: float

    def rate(self, shards: int, cores: int) -> float:
        """Jobs per second of so many shards together, where each has a disk and its part of the cores."""
        cost = self.job_s + self.claim_s * shards / SLOTS
        return min(shards * self.busy, cores) / cost


def fit(large: Cost, small: Cost) -> Model:
    """From a shard with claims of `SLOTS`, and one with an eighth of that."""
    claim_s = (small.cpu_s - large.cpu_s) / (MOST / SLOTS - 1 / SLOTS)
    return Model(large.cpu_s - claim_s / SLOTS, claim_s, large.cpu_s / large.wall_s)


def judge(one: Cost, two: Sequence[Cost], small: Cost, cores: int) -> dict[str, float]:
    """The figures. `error` is by how much of the measured rate the model is wrong."""
    model, measured = fit(one, small), sum(1 / cost.wall_s for cost in two)
    predicted = model.rate(2, cores)
    return {
        "one_per_s": round(1 / one.wall_s),
        "two_per_s": round(measured),
        "predicted_two_per_s": round(predicted),
        "error": round(abs(predicted - measured) / measured, 3),
        "job_us": round(model.job_s * 1e6, 1),
        "claim_us": round(model.claim_s * 1e6, 1),
        "busy": round(model.busy, 3),
        "eight_per_shard": round(model.rate(MOST, 10 * MOST) / MOST / model.rate(1, 10), 3),
    }


@contextmanager
def shards(number: int, slots: int) -> Iterator[list[Program]]:
    """Processes that wait for a word to begin."""
    with ExitStack() as stack:
        command = [sys.executable, "-m", "benchmarks.shards", "--slots", str(slots), "--shard"]
        programs = [stack.enter_context(running([*command, str(shard)])) for shard in range(number)]
        for program in programs:
            program.line("ready", within_s=WITHIN_S)
        yield programs


def measure(number: int, slots: int) -> list[dict[str, Cost]]:
    """Of each shard: the cost of every stage, while all run."""
    with shards(number, slots) as programs:
        for program in programs:
            program.say("go")
        results = [json.loads(program.line("stages", within_s=WITHIN_S)) for program in programs]
    return [{stage: Cost(*cost) for stage, cost in result.items()} for result in results]


def total(stages: dict[str, Cost]) -> Cost:
    """Of a job from the first stage to the last."""
    return Cost(sum(cost.wall_s for cost in stages.values()), sum(cost.cpu_s for cost in stages.values()))


def main() -> None:
    """Print each round, then the result."""
    cores, rounds = len(os.sched_getaffinity(0)), []
    costs: list[dict[str, Cost]] = []
    for _ in range(ROUNDS):
        (one,), (small,) = measure(1, SLOTS), measure(1, SLOTS // MOST)
        two = measure(2, SLOTS // 2)
        rounds.append(judge(total(one), [total(each) for each in two], total(small), cores))
        costs.append(one)
        print(rounds[-1], flush=True)
    figures: dict[str, Any] = {name: median(each[name] for each in rounds) for name in rounds[0]}
    stages = {stage: round(median(each[stage].cpu_s for each in costs) * 1e6, 1) for stage in costs[0]}
    print(json.dumps({**figures, "stage_us": stages, "cores": cores}))


def run_shard(shard: int, slots: int) -> None:
    """One shard's process."""
    import uvloop  # noqa: PLC0415 - the measuring process needs none of it

    from benchmarks.shard_stages import run  # noqa: PLC0415

    async def begin() -> None:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        stages = uvloop.run(run(Path(folder), begin, shard=shard, slots=slots, jobs=JOBS))
    print("stages", json.dumps(stages), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard", type=int, help="be the process of this one")
    parser.add_argument("--slots", type=int, default=SLOTS)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _arguments()
    if asked.shard is None:
        main()
    else:
        run_shard(asked.shard, asked.slots)
