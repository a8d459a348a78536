"""The stages of many jobs in one journal, each timed: submitted, rendered, inferred, sealed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic, process_time

from actors.journal.journal import Journal
from actors.shards import open_journal
from actors.system import real_ports
from benchmarks.shard import check, job
from pipelines.commands import Claim, Finish, Generated, Outcome, Payload, Rendered
from pipelines.jobs import Status, Usage, timed_reference_of
from pipelines.ports import Ports
from pipelines.steps import PROMPTING_TOPIC, inference_topic

PER_CALL = 100
CALLERS = 4  # of submits
ROOM = 256  # slots of all workers together, as far as this shard gets them
SEALS = 500
PROMPT, RESULT = b"p" * 300, b"r" * 600


async def run(
    folder: Path, begin: Callable[[], Awaitable[None]], *, shard: int, slots: int, jobs: int
) -> dict[str, tuple[float, float]]:
    """Seconds of wall and CPU time that a job takes in each stage; `begin` is waited for before the first."""
    ports = real_ports()
    journal = open_journal(folder, ports=ports, shard=shard)
    await begin()
    costs = await pass_through(journal, ports, shard=shard, slots=slots, jobs=jobs)
    await ports.run_blocking(journal.close)
    return costs


async def pass_through(
    journal: Journal, ports: Ports, *, shard: int, slots: int, jobs: int
) -> dict[str, tuple[float, float]]:
    """The same in a journal that is open, and has no other work."""
    stages: dict[str, Callable[[], Awaitable[None]]] = {
        "submit": lambda: _submit(journal, ports, shard, jobs),
        "render": lambda: _work(journal, ports, PROMPTING_TOPIC, slots, Rendered(prompt=_payload(PROMPT, ports))),
        "infer": lambda: _work(journal, ports, inference_topic("scripted"), slots, _generated(ports)),
        "seal": lambda: _seal(journal),
    }
    return {stage: await _timed(work, jobs) for stage, work in stages.items()}


async def _timed(work: Callable[[], Awaitable[None]], jobs: int) -> tuple[float, float]:
    wall, cpu = monotonic(), process_time()
    await work()
    return (monotonic() - wall) / jobs, (process_time() - cpu) / jobs


async def _submit(journal: Journal, ports: Ports, shard: int, jobs: int) -> None:
    async def caller(starts: Iterator[int]) -> None:
        for start in starts:
            check(await journal.submit([job(number, ports, shard) for number in range(start, start + PER_CALL)]))

    starts = iter(range(0, jobs, PER_CALL))
    await asyncio.gather(*(caller(starts) for _ in range(CALLERS)))


async def _work(journal: Journal, ports: Ports, topic: str, slots: int, outcome: Outcome) -> None:
    async def worker(name: str) -> None:
        while claims := await journal.claim(Claim(claim_id=ports.ids.new("c"), topic=topic, worker=name, slots=slots)):
            check(await journal.finish([Finish(claim.job_id, claim.fence, outcome) for claim in claims]))

    await asyncio.gather(*(worker(f"w{number}") for number in range(ROOM // slots)))


async def _seal(journal: Journal) -> None:
    while found := await journal.unsealed(SEALS):
        await journal.mark_sealed([each.id for each in found])


def _payload(data: bytes, ports: Ports) -> Payload:
    return Payload(timed_reference_of(data, ports.clock.now()), data)


def _generated(ports: Ports) -> Generated:
    return Generated(_payload(RESULT, ports), Status.COMPLETED, Usage(20, 16), "stop", 9)
