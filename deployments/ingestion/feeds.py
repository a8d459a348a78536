"""The feeds of this process, one per job that is read, and the two long polls of each shard that fill them.

Invariant: a feed lives from its job's first reader to its last. What comes for it later is dropped.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from actors.journal.protocol import JournalApi
from actors.sharding import place_of
from actors.token_log.protocol import Logged, TokenLogApi
from deployments.ingestion.feed import Feed
from deployments.ingestion.poll import Poll
from deployments.ingestion.windows import Windows
from pipelines.ports import Ports

P = TypeVar("P")


class Feeds:
    """For all feeds one long poll each to every shard's token log and journal."""

    def __init__(self, *, journal: JournalApi, token_log: TokenLogApi, windows: Windows, ports: Ports) -> None:
        self._windows = windows
        self._ports = ports
        self._feeds: dict[str, Feed] = {}
        self._logs: list[Poll[Logged]] = [
            Poll(part.follow, cursor=self._sequence, deliver=self._take_log, name="tokens", ports=ports)
            for part in token_log.parts
        ]
        self._events: list[Poll[tuple[int, list[bytes]]]] = [
            Poll(part.follow, cursor=self._event_count, deliver=self._take_events, name="events", ports=ports)
            for part in journal.parts
        ]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._feeds)

    def wake(self) -> None:
        """Have every reader look again."""
        for feed in self._feeds.values():
            feed.wake()

    async def close(self) -> None:
        """End the polls."""
        for log in self._logs:
            await log.close()
        for events in self._events:
            await events.close()

    @contextlib.contextmanager
    def reading(self, job_id: str) -> Iterator[Feed]:
        """A job's feed, for one reader."""
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = Feed(job_id, self._windows, looked_at=self._ports.clock.monotonic())
            _of(feed.job_id, self._logs).add(job_id)
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if not feed.readers:
                self._close(feed)

    def follow_events(self, feed: Feed) -> None:
        """From here on the feed hears of the journal's events, and so of an end that nobody has sealed."""
        if not feed.eventful:
            feed.eventful = True
            _of(feed.job_id, self._events).add(feed.job_id)

    def _close(self, feed: Feed) -> None:
        del self._feeds[feed.job_id]
        self._windows.leave(feed)
        _of(feed.job_id, self._logs).remove(feed.job_id)
        if feed.eventful:
            _of(feed.job_id, self._events).remove(feed.job_id)

    def _sequence(self, job_id: str) -> int | None:
        feed = self._feeds.get(job_id)
        return None if feed is None or feed.seal is not None else feed.sequence

    def _event_count(self, job_id: str) -> int | None:
        feed = self._feeds.get(job_id)
        return None if feed is None or feed.ended else len(feed.facts)

    def _take_log(self, job_id: str, logged: Logged) -> None:
        feed = self._feeds.get(job_id)
        if feed is None or feed.seal is not None:
            return
        before = feed.chunks
        if not feed.take_log(logged):
            _of(feed.job_id, self._logs).add(job_id)
        elif feed.seal is not None:
            _of(feed.job_id, self._logs).remove(job_id)
        if feed.chunks > before:
            self._ports.metrics.count("stream_chunks", feed.chunks - before, source="feed")

    def _take_events(self, job_id: str, news: tuple[int, list[bytes]]) -> None:
        feed = self._feeds.get(job_id)
        if feed is None or feed.ended:
            return
        if not feed.take_events(*news):
            _of(feed.job_id, self._events).add(job_id)
        elif feed.ended:
            _of(feed.job_id, self._events).remove(job_id)


def _of(job_id: str, polls: Sequence[P]) -> P:
    """The poll of the job's shard."""
    return polls[place_of(job_id, polls)]
