"""All readers of this process: what each is given of its job's feed, and what is done where that is silent.

Invariants:
- A reader holds a cursor, and what it is giving at this moment: at most `BATCH_BYTES`, or one event.
- Every reader of a job sees the same bytes at the same number, whether from the feed or from the log.
- A stream that is cut ends with an exception, never as if it were at its end.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from actors.token_log.protocol import TokenLogApi
from deployments.history.history import HistoryApi, UnknownJobError
from deployments.history.sealed_log import seal_of
from deployments.history.stream_events import Scribe, StreamFrame
from deployments.history.views import event_view
from deployments.ingestion.feed import Entry, Feed, Frame, entries_of
from deployments.ingestion.feeds import Feeds
from deployments.ingestion.windows import Windows
from events.v1.tokens_pb2 import Seal
from pipelines.errors import TransientError
from pipelines.jobs import Reference, Status
from pipelines.payloads import Request
from pipelines.ports import Ports
from pipelines.steps import FIRST_OPERATION

BATCH_BYTES = 48 * 1024  # that wait for one reader; a single event may be longer
BATCH_ENTRIES = 32  # likewise, of a native stream
PAGE_BYTES = 16 * 1024  # of chunks that a reader behind its feed reads at once; as events they are four times as long
SEAL_PATIENCE_S = 1.0  # from the terminal event until a reader asks for the seal itself
SILENCE_S = 15.0  # after which a reader is told that there is nothing yet
LOOK_S = 60.0  # between two looks whether a silent job is still there
FAULT_PATIENCE_S = 60.0  # for a store or service that does not answer
_PAUSE_S = 0.5
T = TypeVar("T")


class DrainError(TransientError):
    """This process ends. Its readers resume elsewhere, from the last number that they have seen."""


class Subject(NamedTuple):
    """What is read: a job of a tenant, and its request, or the reference to it."""

    job_id: str
    tenant: str
    request: Request | Reference


class Readers:
    """Streams of jobs. The jobs' owner has been checked before."""

    def __init__(
        self,
        *,
        journal: JournalApi,
        token_log: TokenLogApi,
        history: HistoryApi,
        blobs: Blobs,
        ports: Ports,
        windows: Windows | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._journal = journal
        self._token_log = token_log
        self._history = history
        self._blobs = blobs
        self._ports = ports
        self._silence_s = silence_s
        self._feeds = Feeds(journal=journal, token_log=token_log, windows=windows or Windows(), ports=ports)
        self._draining = False
        self._most_waiting = 0

    async def stream(self, subject: Subject, starting_after: int = -1) -> AsyncGenerator[Frame]:
        """The native frames up to and with the one `end`; token frames only above `starting_after`."""
        with self._feeds.reading(subject.job_id) as feed:
            self._feeds.follow_events(feed)
            cursor, seen = max(starting_after, FIRST_OPERATION - 1), 0
            while True:
                news = feed.news
                while seen < len(feed.facts):
                    seen += 1
                    yield {"type": "event", "event": event_view(feed.facts[seen - 1])}
                entries = (await self._above(feed, cursor))[:BATCH_ENTRIES]
                for entry in entries:
                    for frame in feed.tokens_of(entry):
                        if frame["sequence_number"] > cursor:
                            yield frame
                    cursor = max(cursor, entry.last)
                if feed.seal is not None and feed.told(cursor, seen):
                    yield _end_frame(feed.seal)
                    return
                if not entries:
                    await self._wait(feed, news, subject.tenant)

    async def events(self, subject: Subject, starting_after: int = -1) -> AsyncGenerator[list[StreamFrame]]:
        """OpenAI's events above a number that was shown, as many at once as there are; [] after each silence.

        Ends after the terminal event. Raises what asking for the job's request or Response raises, and DrainError.
        """
        with self._feeds.reading(subject.job_id) as feed:
            scribe = feed.scribe or await self._scribe(feed, subject)
            if first := [frame for frame in scribe.head() if frame.sequence > starting_after]:
                yield first
            cursor = max(starting_after + scribe.shift, FIRST_OPERATION - 1)
            while (seal := feed.seal) is None or cursor < seal.terminal.sequence - 1:
                news = feed.news
                batch = self._batch(feed, scribe, await self._above(feed, cursor), cursor - scribe.shift)
                if batch:
                    cursor = batch[-1].sequence + scribe.shift
                    yield batch
                elif not await self._wait(feed, news, subject.tenant):
                    yield []
            terminal = feed.terminal or await self._terminal(feed, scribe, seal, subject)
            if terminal.sequence > starting_after:
                yield [terminal]

    async def end(self, subject: Subject) -> StreamFrame:
        """The terminal event alone, when it comes: nothing else is written for it. Raises what `events` raises."""
        with self._feeds.reading(subject.job_id) as feed:
            scribe = feed.scribe or await self._scribe(feed, subject)
            while (seal := feed.seal) is None:
                self._go_on()
                await self._wait(feed, feed.news, subject.tenant)
            return feed.terminal or await self._terminal(feed, scribe, seal, subject)

    def drain(self) -> None:
        """Cut every stream, those that come later too."""
        self._draining = True
        self._feeds.wake()

    async def close(self) -> None:
        """End the polls."""
        await self._feeds.close()

    async def _above(self, feed: Feed, cursor: int) -> list[Entry]:
        """What there is above a cursor, perhaps not all of it."""
        self._go_on()
        entries = feed.after(cursor)
        if entries is None:
            logged = await self._patiently(lambda: self._token_log.read(feed.job_id, cursor, PAGE_BYTES))
            self._ports.metrics.count("stream_chunks", len(logged.chunks), source="page")
            entries = entries_of(logged, cursor)
        return entries

    def _go_on(self) -> None:
        if self._draining:
            raise DrainError("this server ends", retry_after_s=1.0)

    def _batch(self, feed: Feed, scribe: Scribe, entries: list[Entry], shown: int) -> list[StreamFrame]:
        """The events of the first entries above a number, as many as may wait; one at least."""
        chosen: list[StreamFrame] = []
        size = 0
        for entry in entries:
            for frame in feed.events_of(entry, scribe):
                if frame.sequence <= shown:
                    continue
                size += len(frame.sse)
                if chosen and size > BATCH_BYTES:
                    self._waiting(size - len(frame.sse))
                    return chosen
                chosen.append(frame)
        self._waiting(size)
        return chosen

    def _waiting(self, size: int) -> None:
        if size > self._most_waiting:
            self._most_waiting = size
            self._ports.metrics.level("stream_waiting_bytes", size)

    async def _wait(self, feed: Feed, news: asyncio.Event, tenant: str) -> bool:
        """Whether there may be news, within a silence. OpenAI's events ask for the journal's only at a pause."""
        unsealed = feed.ended and feed.seal is None
        at_once = unsealed or not feed.eventful
        try:
            async with asyncio.timeout(min(SEAL_PATIENCE_S, self._silence_s) if at_once else self._silence_s):
                await news.wait()
        except TimeoutError:
            if not feed.eventful:
                self._feeds.follow_events(feed)
                return True
            await self._look(feed, tenant, SEAL_PATIENCE_S if unsealed else LOOK_S)
            return unsealed
        return True

    async def _look(self, feed: Feed, tenant: str, interval_s: float) -> None:
        """Ask for the seal where the job has ended. Raises UnknownJobError where it is gone."""
        now = self._ports.clock.monotonic()
        if now - feed.looked_at < interval_s:  # another reader has
            return
        feed.looked_at = now
        with contextlib.suppress(TransientError):  # somebody looks again
            (job,) = await self._journal.jobs(tenant, [feed.job_id])
            if job is None:
                raise UnknownJobError(feed.job_id)
            if job.status.terminal:
                await seal_of(self._token_log, job)

    async def _scribe(self, feed: Feed, subject: Subject) -> Scribe:
        async with feed.lock:
            if feed.scribe is None:
                feed.scribe = Scribe(feed.job_id, await self._request(subject), feed.opened)
        return feed.scribe

    async def _request(self, subject: Subject) -> Request:
        if isinstance(subject.request, Request):
            return subject.request
        wanted = [(subject.tenant, subject.request, None)]
        (data,) = await self._patiently(lambda: self._blobs.get_many(wanted))
        return Request.model_validate_json(data)

    async def _terminal(self, feed: Feed, scribe: Scribe, seal: Seal, subject: Subject) -> StreamFrame:
        async with feed.lock:
            if feed.terminal is None:
                feed.terminal = scribe.terminal(seal, await self._response(scribe, seal, subject))
        return feed.terminal

    async def _response(self, scribe: Scribe, seal: Seal, subject: Subject) -> dict[str, Any]:
        """The Response as everybody sees it; of a job that was deleted while it was read, what its readers may know."""
        try:
            return await self._patiently(lambda: self._history.response(subject.tenant, subject.job_id))
        except UnknownJobError:
            if seal.terminal.status != Status.CANCELLED:
                raise
            return scribe.snapshot(Status.CANCELLED)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer; waits out a fault of the one who is asked."""
        give_up_at = self._ports.clock.monotonic() + FAULT_PATIENCE_S
        while True:
            try:
                return await ask()
            except TransientError:
                if self._draining or self._ports.clock.monotonic() >= give_up_at:
                    raise
                await self._ports.sleep(_PAUSE_S)


def _end_frame(seal: Seal) -> Frame:
    terminal = seal.terminal
    error = {"code": terminal.error.code, "message": terminal.error.message} if terminal.HasField("error") else None
    return {"type": "end", "sequence_number": terminal.sequence, "status": terminal.status, "error": error}
