"""All readers of this process: one long poll to the token log and one to the journal serve them together."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from actors.journal.protocol import JournalApi
from actors.token_log.protocol import Logged, TokenLogApi
from deployments.history.sealed_log import seal_of
from deployments.ingestion.poll import Poll
from deployments.ingestion.reader import Frame, Reader
from pipelines.errors import TransientError
from pipelines.jobs import Job
from pipelines.ports import Ports

QUEUE_LIMIT = 1024  # frames that may wait for one reader
SEAL_PATIENCE_S = 1.0  # from the terminal event until a reader asks for the seal itself


class Readers:
    """Streams of jobs. The jobs' owner has been checked before."""

    def __init__(
        self, *, journal: JournalApi, token_log: TokenLogApi, ports: Ports, queue_limit: int = QUEUE_LIMIT
    ) -> None:
        self._journal = journal
        self._token_log = token_log
        self._queue_limit = queue_limit
        self._by_job: dict[str, dict[Reader, None]] = {}  # in the order in which they came
        self._log: Poll[Logged] = Poll(
            token_log.follow, cursor=self._sequence, deliver=self._take_log, name="tokens", ports=ports
        )
        self._events: Poll[tuple[int, list[bytes]]] = Poll(
            journal.follow, cursor=self._event_count, deliver=self._take_events, name="events", ports=ports
        )

    async def stream(self, job: Job, starting_after: int = -1) -> AsyncGenerator[Frame]:
        """Frames up to and with the one `end`; token frames only above `starting_after`."""
        reader = Reader(job.id, starting_after=starting_after, limit=self._queue_limit)
        self._open(reader)
        try:
            while True:
                frame = reader.pop() or await self._next(reader, job.tenant)
                if frame is not None:
                    yield frame
                    if frame["type"] == "end":
                        return
        finally:
            self._close(reader)

    async def close(self) -> None:
        """End the polls."""
        await self._log.close()
        await self._events.close()

    async def _next(self, reader: Reader, tenant: str) -> Frame | None:
        """Wait for news. None where there may be some by now."""
        if reader.behind:
            reader.behind = False
            self._follow(reader.job_id)
        reader.news.clear()
        patience = SEAL_PATIENCE_S if reader.ended and not reader.sealed else None
        try:
            async with asyncio.timeout(patience):
                await reader.news.wait()
        except TimeoutError:
            await self._ask_for_seal(tenant, reader.job_id)
        return reader.pop()

    async def _ask_for_seal(self, tenant: str, job_id: str) -> None:
        with contextlib.suppress(TransientError):  # it is asked for again
            (job,) = await self._journal.jobs(tenant, [job_id])
            if job is not None and job.status.terminal:
                await seal_of(self._token_log, job)

    def _open(self, reader: Reader) -> None:
        self._by_job.setdefault(reader.job_id, {})[reader] = None
        self._follow(reader.job_id)

    def _close(self, reader: Reader) -> None:
        readers = self._by_job[reader.job_id]
        readers.pop(reader, None)
        if not readers:
            del self._by_job[reader.job_id]
            self._log.remove(reader.job_id)
            self._events.remove(reader.job_id)

    def _follow(self, job_id: str) -> None:
        self._log.add(job_id)
        self._events.add(job_id)

    def _sequence(self, job_id: str) -> int | None:
        return min((r.sequence for r in self._by_job.get(job_id, ()) if not r.behind), default=None)

    def _event_count(self, job_id: str) -> int | None:
        return min((r.events for r in self._by_job.get(job_id, ()) if not r.behind), default=None)

    def _take_log(self, job_id: str, logged: Logged) -> None:
        taken = [reader.take_log(logged) for reader in self._by_job.get(job_id, ())]
        if not all(taken):
            self._log.add(job_id)

    def _take_events(self, job_id: str, news: tuple[int, list[bytes]]) -> None:
        taken = [reader.take_events(*news) for reader in self._by_job.get(job_id, ())]
        if not all(taken):
            self._events.add(job_id)
