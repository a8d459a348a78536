"""One shard's shared actors under a backlog: how fast it fills, and what a full one costs.

The jobs are submitted to the journal's actor before there is a worker. Then one of each kind begins with them, and
jobs of a higher priority are submitted beside; in the end the actor's process is killed.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, NamedTuple

import psutil
import ray

from actors.journal.envelopes import open_envelope
from actors.journal.protocol import NOWHERE
from actors.naming import NAMESPACE, TOPICS, journal_name, token_log_name
from actors.plane import ALL_TOPICS, ensure_actors, shard_parts
from actors.remotes import RemoteJournal
from actors.shards import Where
from actors.system import real_ports
from benchmarks.crew import crew
from configs.settings import PlaneSettings
from deployments.app import limits_of
from pipelines.commands import Answer, Payload, Submit, Verdict
from pipelines.jobs import timed_reference_of
from pipelines.payloads import Message, Request
from pipelines.ports import Ports
from pipelines.steps import PROMPTING_TOPIC, inference_topic

JOBS = 1_000_000
PER_CALL = 1_000
EDGE = 100  # calls whose rate is compared: the first and the last
LANES = 2  # so that the next call is made while the journal works on one
HASTY = 5  # jobs of a higher priority; the slowest start counts
TENANT = "default"
MB = 1e6
ACTORS = ("ray::JournalActor", "ray::TopicsActor")
PULLED = (PROMPTING_TOPIC, inference_topic("scripted"))


class Memory(NamedTuple):
    """In MB. `together` has what is shared (Python, Ray) once, `resident` with each process that maps it."""

    together: int
    resident: int


def batch(call: int, ports: Ports, shard: int) -> list[Submit]:
    """The jobs of one call, whose prompts all differ."""
    return [job(number, ports, shard) for number in range(call * PER_CALL, (call + 1) * PER_CALL)]


def job(number: int, ports: Ports, shard: int, *, priority: int = 0) -> Submit:
    """One job."""
    request = Request(model="scripted", messages=[Message(role="user", content=f"Say something about {number}.")])
    data = request.encode()
    return Submit(
        job_id=ports.ids.new("resp", shard),
        tenant=TENANT,
        pipeline="generate",
        model=request.model,
        request=Payload(timed_reference_of(data, ports.clock.now()), data),
        deadline_s=86_400,
        priority=priority,
    )


def check(answers: Sequence[Answer]) -> None:
    """Raise RuntimeError unless every job was accepted."""
    refused = [answer for answer in answers if answer.verdict is not Verdict.DONE]
    if refused:
        raise RuntimeError(f"{len(refused)} jobs were refused: {refused[0]}")


def rates(moments: Sequence[float], edge: int) -> tuple[float, float]:
    """Jobs per second of the first and the last `edge` calls, of the start and when each was answered."""
    if len(moments) <= edge:
        raise ValueError(f"{len(moments) - 1} calls have no first and last {edge}")
    first, last = moments[edge] - moments[0], moments[-1] - moments[-1 - edge]
    return edge * PER_CALL / first, edge * PER_CALL / last


async def fill(journal: RemoteJournal, ports: Ports, shard: int) -> list[float]:
    """Submit all jobs. The moments of the start and of every answer."""
    calls, moments = iter(range(JOBS // PER_CALL)), [monotonic()]

    async def lane() -> None:
        for call in calls:
            check(await journal.submit(batch(call, ports, shard)))
            moments.append(monotonic())
            if (done := len(moments) - 1) % EDGE == 0:
                rate = EDGE * PER_CALL / (moments[-1] - moments[-1 - EDGE])
                print(f"  {done * PER_CALL:9} jobs {rate:8.0f} jobs/s {memory(processes(ACTORS))}", flush=True)

    await asyncio.gather(*(lane() for _ in range(LANES)))
    return moments


async def start_s(journal: RemoteJournal, ports: Ports, shard: int) -> float:
    """From the submit of a job of higher priority until its inference has started."""
    hasty, session, facts = job(JOBS, ports, shard, priority=1), ports.ids.new("reader"), list[str]()
    begun = monotonic()
    check(await journal.submit([hasty]))
    while "InferenceStarted" not in facts:
        news = await journal.follow(session, {} if facts else {hasty.job_id: 0}, [], 1.0)
        facts += [open_envelope(event)[0].type for _, events in news.values() for event in events]
    return monotonic() - begun


async def ready_s(journal: RemoteJournal) -> float:
    """From the death of the journal's process until the next one answers."""
    epoch = (await journal.info()).epoch
    begun = monotonic()
    for process in processes(ACTORS[:1]):
        process.kill()
    while (await journal.info()).epoch == epoch:
        pass  # the old process has not quite gone
    await journal.depth()
    return monotonic() - begun


async def waiting(journal: RemoteJournal) -> int:
    """Jobs that wait for a worker."""
    return sum(depth.ready + depth.waiting for depth in (await journal.depth()).values())


def processes(titles: Sequence[str]) -> list[psutil.Process]:
    """Those below this one that have one of these titles."""
    family = psutil.Process().children(recursive=True)
    return [process for process in family if " ".join(process.cmdline()).startswith(tuple(titles))]


def memory(found: Iterable[psutil.Process]) -> Memory:
    """What these processes have in RAM together."""
    figures = [process.memory_info() for process in found]
    private = sum(figure.rss - figure.shared for figure in figures)
    shared = max((figure.shared for figure in figures), default=0)
    return Memory(round((private + shared) / MB), round(sum(figure.rss for figure in figures) / MB))


async def at_work(journal: RemoteJournal) -> None:
    """Returns when the workers of every topic have claims."""
    idle = set(PULLED)
    while idle:
        idle -= {topic for topic, depth in (await journal.depth()).items() if depth.claimed}


async def measure(shard: int) -> dict[str, Any]:
    """All figures of one shard."""
    ports = real_ports()
    journal = RemoteJournal(journal_name(shard), ports)
    await journal.info()
    first, last = rates(await fill(journal, ports, shard), EDGE)
    async with crew(journal, shard=shard):
        await at_work(journal)
        starts = [await start_s(journal, ports, shard) for _ in range(HASTY)]
        left, used = await waiting(journal), memory(processes(ACTORS))
        ready = await ready_s(journal)
        print(f"  {left} jobs waited; starts {[round(start, 3) for start in starts]}", flush=True)
    return {
        "first_rate": round(first),
        "last_rate": round(last),
        "ratio": round(last / first, 3),
        "memory_mb": used.together,
        "resident_mb": used.resident,
        "start_s": round(max(starts), 3),
        "ready_s": round(ready, 2),
        "waiting": left,
    }


@contextmanager
def actors(database: str, shard: int) -> Iterator[None]:
    """The shared actors on a store in an empty folder or database, and no others."""
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        settings = PlaneSettings()
        telemetry = settings.telemetry.model_dump()
        where, limits = Where(database, shard), limits_of(settings)
        ensure_actors(
            [ALL_TOPICS, *shard_parts(Path(folder), where, places=NOWHERE, telemetry=telemetry, limits=limits)]
        )
        yield
        for name in (journal_name(shard), token_log_name(shard), TOPICS):
            ray.kill(ray.get_actor(name, namespace=NAMESPACE))
