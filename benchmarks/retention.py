"""What removing 100 000 finished jobs costs those who submit meanwhile, on SQLite and on Postgres.

One process has a journal, a token log and 64 submitters that wait for each answer. The dispatcher's two slow loops
run in every other turn, until all old jobs are gone with their logs; a pair is a turn with them and one without.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, time
from typing import Any, NamedTuple

from actors.dispatcher import seal_request
from actors.housekeeping import Housekeeping
from actors.journal.journal import Journal
from actors.journal.limits import Limits
from actors.journal.protocol import JobQuery
from actors.journal.retention import Retention
from actors.shards import open_journal, open_token_log
from actors.system import real_ports
from actors.token_log.protocol import Append
from actors.token_log.token_log import TokenLog
from benchmarks.ratios import ratios
from events.v1.tokens_pb2 import Chunk
from pipelines.commands import Claim, Finish, Generated, Outcome, Payload, Rendered, Submit
from pipelines.composer import Composer
from pipelines.jobs import Status, Usage, timed_reference_of
from pipelines.operations import Piece, span
from pipelines.steps import PROMPTING_TOPIC, inference_topic
from tests.postgres import PostgresServer

JOBS = 100_000
BATCH = 500
SUBMITTERS = 64
TURN_S = 4.0
PAYLOAD_BYTES = 500
TEXT = "Some words of an answer. " * 8


class Rates(NamedTuple):
    """Submits per second, turn by turn."""

    removing: list[float]
    undisturbed: list[float]


class House:
    """A journal and a token log in one process, with jobs that are old enough as soon as they end."""

    def __init__(self, folder: Path, database: str, *, turn_s: float = TURN_S) -> None:
        self._turn_s = turn_s
        self._ports = real_ports()
        limits = Limits(retention=Retention(0.0))
        self._journal: Journal = open_journal(folder, ports=self._ports, database=database, limits=limits)
        self._token_log: TokenLog = open_token_log(folder, ports=real_ports(), database=database)
        self._housekeeping = Housekeeping(self._journal, self._token_log, self._ports)
        self._claims = count()

    async def fill(self, jobs: int) -> None:
        """So many jobs that have been submitted, rendered, generated and sealed."""
        for _ in range(jobs // BATCH):
            await self._journal.submit([self._new_job() for _ in range(BATCH)])
            await self._work(PROMPTING_TOPIC, _rendered)
            await self._work(inference_topic("scripted"), _generated)
            ended = await self._journal.unsealed(BATCH)
            await self._token_log.append([_append(job.id) for job in ended])
            await self._token_log.seal([seal_request(job) for job in ended])
            await self._journal.mark_sealed([job.id for job in ended])

    async def measure(self, name: str) -> Rates:
        """Pairs of turns whose order changes, until all that ended is gone. The first turn only warms up."""
        rates = Rates([], [])
        await self._turn(removing=False)
        while await self._is_left():
            for removing in (False, True) if len(rates.removing) % 2 else (True, False):
                rate = await self._turn(removing=removing)
                (rates.removing if removing else rates.undisturbed).append(rate)
            removing_rate, rate = rates.removing[-1], rates.undisturbed[-1]
            print(f"{name:9} {removing_rate:6.0f}/s while removing  {rate:6.0f}/s undisturbed", flush=True)
        return rates

    async def _is_left(self) -> bool:
        query = JobQuery("default", status=Status.COMPLETED, limit=1, ascending=True)
        return bool(await self._journal.list_jobs(query) or await self._journal.errands(1))

    def close(self) -> None:
        """Let go of both stores."""
        self._journal.close()
        self._token_log.close()

    async def _turn(self, *, removing: bool) -> float:
        """Submits per second."""
        loops = (self._housekeeping.prune, self._housekeeping.run_errands) if removing else ()
        tasks = [asyncio.create_task(_forever(loop)) for loop in loops]
        started = monotonic()
        numbers = await asyncio.gather(*(self._submit_until(started + self._turn_s) for _ in range(SUBMITTERS)))
        took_s = monotonic() - started
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sum(numbers) / took_s

    async def _submit_until(self, end: float) -> int:
        for number in count(1):
            await self._journal.submit([self._new_job()])
            if monotonic() >= end:
                return number
        raise AssertionError

    async def _work(self, topic: str, outcome: Callable[[str], Outcome]) -> None:
        claim = Claim(claim_id=f"claim-{next(self._claims)}", topic=topic, worker="worker", slots=BATCH)
        claims = await self._journal.claim(claim)
        await self._journal.finish(
            [Finish(job_id=job.job_id, fence=job.fence, outcome=outcome(job.job_id)) for job in claims]
        )

    def _new_job(self) -> Submit:
        job_id = self._ports.ids.new("resp")
        request = _payload(f"prompt of {job_id}")
        return Submit(
            job_id=job_id, tenant="default", pipeline="generate", model="scripted", request=request, deadline_s=86400.0
        )


async def _forever(turn: Callable[[], Awaitable[None]]) -> None:
    while True:
        await turn()


def _payload(text: str) -> Payload:
    data = text.ljust(PAYLOAD_BYTES).encode()
    return Payload(timed_reference_of(data, time()), data)


def _rendered(job_id: str) -> Outcome:
    return Rendered(prompt=_payload(f"messages of {job_id}"), input_tokens=100)


def _generated(job_id: str) -> Outcome:
    usage = Usage(100, 40)
    return Generated(
        result=_payload(f"answer of {job_id}"),
        status=Status.COMPLETED,
        usage=usage,
        finish_reason="stop",
        end=8,
    )


def _append(job_id: str) -> Append:
    composer = Composer(job_id)
    operations = [*composer.begin(), *composer.say(Piece(text=TEXT)), *composer.close(Status.COMPLETED)]
    first, after = span(operations)
    chunk = Chunk(operations=operations, token_ids=range(40)).SerializeToString()
    return Append(job_id=job_id, fence=2, sequence=first, next_sequence=after, chunk=chunk)


async def measure(name: str, folder: Path, database: str) -> Rates:
    """The rates on one store."""
    house = House(folder, database)
    try:
        await house.fill(JOBS)
        return await house.measure(name)
    finally:
        house.close()


def result(rates: Mapping[str, Rates]) -> dict[str, Any]:
    """By store the median of removing / undisturbed, and the spreads."""
    spreads = {name: ratios(side.removing, side.undisturbed) for name, side in rates.items()}
    return {
        **{f"submit_rate_{name}": round(spread.median, 3) for name, spread in spreads.items()},
        "least_to_greatest": {name: [round(s.least, 3), round(s.greatest, 3)] for name, s in spreads.items()},
        "submits_per_s": {name: [round(median(side)) for side in pair] for name, pair in rates.items()},
    }


def main() -> None:
    """Print every pair, then the result."""
    rates = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="heliograph-bench-")))
        rates["sqlite"] = asyncio.run(measure("sqlite", folder / "sqlite", ""))
        server = PostgresServer()
        stack.callback(server.remove)
        server.start()
        rates["postgres"] = asyncio.run(measure("postgres", folder / "postgres", server.new_database()))
    print(json.dumps(result(rates)))


if __name__ == "__main__":
    main()
