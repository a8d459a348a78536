"""Durable chunks per second through the token log's Ray actor, on SQLite as the platform opens it.

A batch has one chunk of each of many jobs, as an inference replica sends what its slots have made. The chunks are made
before the clock runs. Some batches are under way at once, as those of several replicas are.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory
from time import monotonic

import uvloop

from actors.naming import token_log_name
from actors.shards import Where
from actors.system import real_ports
from actors.token_log.protocol import Append, AppendVerdict, TokenLogApi
from benchmarks.program import REPOSITORY
from benchmarks.ratios import spread
from configs.settings import Telemetry
from events.v1.tokens_pb2 import Chunk
from heliograph.local_ray import local_ray
from pipelines.composer import Composer
from pipelines.operations import Piece, span

ROUNDS = 5
JOBS = 1_000  # in a batch
BATCHES = 200  # of a round
LANES = 2  # batches under way
FENCE = 1


class Writer:
    """What one generation appends: a word with each chunk."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._composer = Composer(job_id)

    def append(self) -> Append:
        """The next chunk."""
        operations = [*self._composer.begin(), *self._composer.say(Piece(text=" lantern"))]
        first, after = span(operations)
        data = Chunk(operations=operations, token_ids=[31]).SerializeToString()
        return Append(job_id=self._job_id, fence=FENCE, sequence=first, next_sequence=after, chunk=data)


def batches(number: int, *, jobs: int = JOBS, count: int = BATCHES) -> list[list[Append]]:
    """All of a round: each lane writes jobs of its own, in order."""
    lanes = [[Writer(f"resp_{number:03}{lane}{job:04}") for job in range(jobs)] for lane in range(LANES)]
    return [[writer.append() for writer in lanes[batch % LANES]] for batch in range(count)]


def check(verdicts: Sequence[AppendVerdict]) -> None:
    """Raise RuntimeError unless every chunk is on disk."""
    refused = [verdict for verdict in verdicts if verdict is not AppendVerdict.DONE]
    if refused:
        raise RuntimeError(f"{len(refused)} chunks were refused: {refused[0]}")


async def rate(log: TokenLogApi, made: Sequence[list[Append]]) -> float:
    """Chunks per second from the first call to the last answer."""

    async def lane(calls: Iterator[list[Append]]) -> None:
        for call in calls:
            check(await log.append(call))

    started = monotonic()
    await asyncio.gather(*(lane(iter(made[first::LANES])) for first in range(LANES)))
    return sum(map(len, made)) / (monotonic() - started)


async def measure(log: TokenLogApi) -> dict[str, object]:
    """The rates, after a round that only warms up."""
    rates = []
    for number in range(ROUNDS + 1):
        rates.append(await rate(log, batches(number)))
        print(f"round {number}  {rates[-1]:8.0f} chunks/s{'' if number else '  (warm-up)'}", flush=True)
    found = spread(rates[1:])
    return {"chunks_per_s": round(found.median), "least_to_greatest": [round(found.least), round(found.greatest)]}


def main() -> None:
    """Print every rate, then the result."""
    with (
        TemporaryDirectory(prefix="heliograph-bench-") as folder,
        local_ray({"PYTHONPATH": str(REPOSITORY)}, dashboard=False),
    ):
        from actors.plane import Part, ensure_actors  # noqa: PLC0415
        from actors.remotes import RemoteTokenLog  # noqa: PLC0415 - they import ray, which `local_ray` is to do first
        from actors.shells import TokenLogActor  # noqa: PLC0415

        ensure_actors([Part(TokenLogActor, token_log_name(), (folder, Where(), Telemetry().model_dump()))])
        print(json.dumps(uvloop.run(measure(RemoteTokenLog(token_log_name(), real_ports())))))


if __name__ == "__main__":
    main()
