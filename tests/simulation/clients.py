"""Who uses a simulated world: clients that submit, follow, look and cancel."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from actors.objects import Objects
from actors.token_log.protocol import TokenLogApi
from deployments.history.history import History, UnknownJobError
from deployments.ingestion.cards import ModelCard
from deployments.ingestion.service import IngestionService
from pipelines.jobs import Status
from tests.ingestion_house import CONTEXT, renderer
from tests.simulation.batching import BatchDesk
from tests.simulation.foreground import Foreground
from tests.simulation.indexing import StoreDesk
from tests.simulation.network import Handle, Network
from tests.simulation.process import Process
from tests.simulation.record import Record, Session
from tests.simulation.searching import submit_search
from tests.simulation.wishes import Wish

RETRY_S = 0.5
W = TypeVar("W")


class Gateway:
    """What ingestion's process answers a tenant: its service, without HTTP."""

    def __init__(
        self,
        tenant: str,
        service: IngestionService,
        journal: Any,
        foreground: Foreground,
        record: Record,
        *,
        batches: BatchDesk,
        stores: StoreDesk,
    ) -> None:
        self._tenant = tenant
        self._service = service
        self._batches = batches
        self._stores = stores
        self._journal = journal
        self._foreground = foreground
        self._record = record

    async def submit(self, body: dict[str, Any], key: str) -> str:
        return await self._service.submit(body, self._tenant, key)

    async def wait(self, body: dict[str, Any]) -> str:
        """A job in the foreground."""
        return await self._foreground.submit(body)

    async def search(self, body: dict[str, Any], search: dict[str, Any]) -> str:
        """A job that searches."""
        return await submit_search(self._tenant, self._service, self._journal, body, search)

    async def redrive(self, job_id: str) -> str:
        (again,) = await self._service.redrive([job_id], self._tenant)
        return again

    async def batches(self, method: str, *arguments: Any) -> Any:
        """What is asked about batches."""
        return await getattr(self._batches, method)(*arguments)

    async def stores(self, method: str, *arguments: Any) -> Any:
        """What is asked about vector stores."""
        return await getattr(self._stores, method)(*arguments)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return await self._service.cancel(job_id, self._tenant)

    async def job(self, job_id: str) -> dict[str, Any]:
        return await self._service.job(job_id, self._tenant)

    async def read(self, job_id: str, after: int) -> None:
        """Until the end of the stream."""
        session = Session(job_id, after)
        self._record.sessions.append(session)
        async with aclosing(self._service.stream(job_id, after, self._tenant)) as frames:
            async for frame in frames:
                session.frames.append(frame)


class Reception:
    """Ingestion's process."""

    def __init__(self, gateways: dict[str, Gateway]) -> None:
        self._gateways = gateways

    async def ask(self, tenant: str, method: str, *arguments: Any) -> Any:
        """What the tenant's gateway answers."""
        return await getattr(self._gateways[tenant], method)(*arguments)


class Caller(ABC, Generic[W]):
    """Has one wish, and calls ingestion from a client's process."""

    def __init__(self, wish: W, *, tenant: str, network: Network, process: Process, record: Record) -> None:
        self._wish = wish
        self._tenant = tenant
        self._network = network
        self._process = process
        self._random = process.random
        self._record = record

    async def run(self) -> None:
        """Until the wish is fulfilled, or the client dies of an error that it does not know."""
        self._record.busy += 1
        try:
            await self._live()
        except Exception as error:  # noqa: BLE001 - a violation
            self._record.broken.append(f"{type(error).__name__}: {error}")
        self._record.busy -= 1

    @abstractmethod
    async def _live(self) -> None:
        """All that the client does."""

    async def _call(self, method: str, *arguments: Any) -> Any:
        while True:
            try:
                return await self._once(method, *arguments)
            except UnknownJobError:
                raise
            except Exception:  # noqa: BLE001 - a client tries again
                await asyncio.sleep(RETRY_S)

    async def _once(self, method: str, *arguments: Any) -> Any:
        target = self._network.directory.find("ingestion")
        return await Handle(self._network, self._process, target).ask.remote(self._tenant, method, *arguments)


class Client(Caller[Wish]):
    """One client and its one job."""

    def __init__(self, wish: Wish, **caller: Any) -> None:
        super().__init__(wish, **caller)
        self._starts_at = self._random.random() * 4
        self._readers = self._random.choice((0, 1, 1, 2))

    async def _live(self) -> None:
        await asyncio.sleep(self._starts_at)
        if self._wish.waits:  # in the foreground, for a job from which it vanishes
            self._record.accepted.append(await self._call("wait", self._wish.body))
            return
        job_id, *_ = await asyncio.gather(*(self._submit() for _ in range(self._wish.copies)))
        status = await self._follow(job_id)
        if self._wish.copies > 1:
            await self._submit()
        if status is Status.FAILED and self._wish.redrives:
            await self._redrive(job_id)

    async def _submit(self) -> str:
        if self._wish.search is None:
            job_id: str = await self._call("submit", self._wish.body, self._wish.key)
        else:
            job_id = await self._call("search", self._wish.body, self._wish.search)
        self._record.accepted.append(job_id)
        self._record.natures[job_id] = self._wish.nature
        if self._wish.key:
            self._record.keyed.append((self._wish.key, job_id))
        return job_id

    async def _redrive(self, job_id: str) -> None:
        try:
            jobs = await asyncio.gather(*(self._call("redrive", job_id) for _ in range(self._wish.redrives)))
        except UnknownJobError:
            self._record.refused.append(job_id)
            return
        self._record.redriven.extend((job_id, again) for again in jobs)
        self._record.accepted.extend(jobs)
        await self._follow(jobs[0])

    async def _follow(self, job_id: str) -> Status:
        tasks = [self._watch(job_id), *(self._read(job_id) for _ in range(self._readers))]
        if self._wish.cancels:
            tasks.append(self._cancel(job_id))
        await asyncio.gather(*tasks)
        return Status(next(status for job, status in self._record.seen if job == job_id))

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


def make_reception(
    tenants: Sequence[str],
    process: Process,
    journal: Any,
    blobs: Any,
    objects: Objects,
    token_log: TokenLogApi,
    record: Record,
) -> Reception:
    """Ingestion and history, in one process, for these tenants."""
    service = IngestionService(
        journal=journal,
        token_log=token_log,
        blobs=blobs,
        history=History(journal=journal, token_log=token_log, blobs=blobs, ports=process.ports),
        renderer=RENDERER,
        models=MODELS,
        ports=process.ports,
        searches=True,
        handle=process,
    )

    def gateway(tenant: str) -> Gateway:
        return Gateway(
            tenant,
            service,
            journal,
            Foreground(tenant, process, service),
            record,
            batches=BatchDesk(tenant, journal=journal, blobs=blobs, objects=objects, ports=process.ports),
            stores=StoreDesk(tenant, journal=journal, objects=objects, process=process),
        )

    return Reception({tenant: gateway(tenant) for tenant in tenants})


RENDERER = renderer()
MODELS = {"scripted": ModelCard(name="scripted", context=CONTEXT, default_max_output_tokens=16)}
