"""Who uses a simulated world: clients that submit, follow, look and cancel, and what they were told."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Any

from actors.token_log.protocol import TokenLogApi
from deployments.history.history import History
from deployments.ingestion.service import IngestionService, ModelCard
from pipelines.jobs import Status
from tests.ingestion_house import CONTEXT, renderer
from tests.simulation.network import Handle, Network
from tests.simulation.process import Process

RETRY_S = 0.5
LONG_S, SHORT_S = 3600.0, 6.0  # deadlines: one that nobody waits for, one that passes
POISON_S = 90.0  # where nobody knows of a worker's death, only the deadline ends the job that kills it


@dataclass(slots=True)
class Session:
    """One reader: where it began, and what it was shown."""

    job_id: str
    after: int
    frames: list[dict[str, Any]] = field(default_factory=list)

    def last(self) -> int:
        """The number from which a next session goes on."""
        return max([self.after, *(int(f["sequence_number"]) for f in self.frames if f["type"] == "token")])


@dataclass(slots=True)
class Record:
    """All that clients were told."""

    accepted: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)  # job, terminal status
    sessions: list[Session] = field(default_factory=list)
    busy: int = 0  # clients that are not done


class Gateway:
    """What ingestion's process answers: its service, without HTTP."""

    def __init__(self, service: IngestionService, record: Record) -> None:
        self._service = service
        self._record = record

    async def submit(self, body: dict[str, Any]) -> str:
        return await self._service.submit(body)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return await self._service.cancel(job_id)

    async def job(self, job_id: str) -> dict[str, Any]:
        return await self._service.job(job_id)

    async def read(self, job_id: str, after: int) -> None:
        """Until the end of the stream."""
        session = Session(job_id, after)
        self._record.sessions.append(session)
        async with aclosing(self._service.stream(job_id, after)) as frames:
            async for frame in frames:
                session.frames.append(frame)


class Client:
    """One client and its one job."""

    def __init__(self, number: int, *, random: Random, network: Network, process: Process, record: Record) -> None:
        self._random = random
        self._network = network
        self._process = process
        self._record = record
        self._body = make_body(number, random)
        self._starts_at = random.random() * 4
        self._cancels = random.random() < 0.15
        self._readers = random.choice((0, 1, 1, 2))

    async def run(self) -> None:
        self._record.busy += 1
        await asyncio.sleep(self._starts_at)
        job_id = await self._call("submit", self._body)
        self._record.accepted.append(job_id)
        tasks = [self._watch(job_id), *(self._read(job_id) for _ in range(self._readers))]
        if self._cancels:
            tasks.append(self._cancel(job_id))
        await asyncio.gather(*tasks)
        self._record.busy -= 1

    async def _watch(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(0.2 + 2 * self._random.random())
            view = await self._call("job", job_id)
            if Status(view["status"]).terminal:
                self._record.seen.append((job_id, view["status"]))
                return

    async def _read(self, job_id: str) -> None:
        after = -1
        while True:
            try:
                await self._once("read", job_id, after)
            except Exception:  # noqa: BLE001 - it reads on, from where it was
                await asyncio.sleep(RETRY_S)
            else:
                return
            sessions = [session for session in self._record.sessions if session.job_id == job_id]
            after = self._random.choice(sessions).last() if sessions else -1

    async def _cancel(self, job_id: str) -> None:
        await asyncio.sleep(self._random.random() * 3)
        try:
            await self._once("cancel", job_id)
        except Exception:  # noqa: BLE001 - too late, or nobody knows
            return
        self._record.cancelled.append(job_id)

    async def _call(self, method: str, *arguments: Any) -> Any:
        while True:
            try:
                return await self._once(method, *arguments)
            except Exception:  # noqa: BLE001 - a client tries again
                await asyncio.sleep(RETRY_S)

    async def _once(self, method: str, *arguments: Any) -> Any:
        target = self._network.directory.find("ingestion")
        return await getattr(Handle(self._network, self._process, target), method).remote(*arguments)


def make_gateway(process: Process, journal: Any, blobs: Any, token_log: TokenLogApi, record: Record) -> Gateway:
    """Ingestion and history, in one process."""
    service = IngestionService(
        journal=journal,
        token_log=token_log,
        blobs=blobs,
        history=History(journal=journal, token_log=token_log, blobs=blobs, ports=process.ports),
        renderer=RENDERER,
        models={"scripted": ModelCard(name="scripted", context=CONTEXT, default_max_output_tokens=16)},
        ports=process.ports,
    )
    return Gateway(service, record)


RENDERER = renderer()
_SCRIPTS: Sequence[tuple[int, dict[str, Any], float]] = (  # weight, script, deadline
    (30, {}, LONG_S),
    (25, {"tokens": 12, "delay_ms": 150}, LONG_S),
    (10, {"tokens": 40, "delay_ms": 20}, LONG_S),
    (8, {"fail": "raise", "at": 3, "attempts": 2}, LONG_S),
    (4, {"fail": "raise", "at": 2}, LONG_S),
    (8, {"fail": "exit", "at": 5, "attempts": 1, "delay_ms": 10}, LONG_S),
    (3, {"fail": "exit", "at": 1}, POISON_S),
    (4, {"fail": "hang", "at": 4}, SHORT_S),
    (3, {"fail": "hang", "at": 4, "attempts": 2}, LONG_S),
    (4, {"tokens": 30, "delay_ms": 400}, SHORT_S),
    (4, {"unknown": True}, LONG_S),  # the engine refuses it
)


def make_body(number: int, random: Random) -> dict[str, Any]:
    """What one client asks for."""
    weights = [weight for weight, _, _ in _SCRIPTS]
    _, script, deadline = random.choices(_SCRIPTS, weights)[0]
    body = {
        "model": "scripted",
        "prompt": f"Question {number}",
        "metadata": {"scripted": json.dumps(script)},
        "deadline_s": deadline,
    }
    return body if random.random() < 0.85 else {**body, "max_output_tokens": 4}
