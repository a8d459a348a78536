"""The log of one job as all its readers in this process share it: each chunk is taken and rendered once.

Invariants:
- What comes in may repeat or come in another order; entries lie in order, without a hole, and none past the seal.
- A feed knows nothing of its readers: each holds a cursor and waits for `news`. Who is slow costs it nothing.
- Entries are kept for a while only, see `windows.py`. Who is behind them reads the log; the items' openings stay.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from actors.token_log.protocol import Logged
from deployments.history.stream_events import Scribe, StreamFrame
from deployments.history.views import event_view
from deployments.ingestion.windows import Windows
from events.v1.tokens_pb2 import Chunk, OpenItem, Operation, Seal
from pipelines.operations import Kind
from pipelines.steps import FIRST_OPERATION

TERMINAL_EVENTS = frozenset({"ResultStored", "JobIncomplete", "JobFailed", "JobCancelled", "JobDeadLettered"})
Frame = dict[str, Any]  # of the native stream


@dataclass(slots=True, eq=False)
class Entry:
    """Operations that follow each other up to the number `last`, and what was rendered of them. `size` in bytes."""

    operations: list[Operation]
    last: int
    size: int
    kept: bool = False  # in a window
    events: list[StreamFrame] | None = None
    tokens: list[Frame] | None = None


class Feed:
    """Takes news; gives entries above a cursor. Numbers are those of the log."""

    def __init__(self, job_id: str, windows: Windows, *, looked_at: float = 0.0) -> None:
        self.job_id = job_id
        self.readers = 0
        self.looked_at = looked_at  # when somebody last asked whether the job is there
        self.sequence = FIRST_OPERATION - 1  # the last number taken
        self.size = 0  # of what is kept
        self.chunks = 0  # taken so far
        self.eventful = False  # the journal's events are followed
        self.facts: list[bytes] = []  # these events, so far
        self.ended = False  # the terminal event was seen
        self.seal: Seal | None = None
        self.opened: dict[int, OpenItem] = {}
        self.scribe: Scribe | None = None  # once somebody wants OpenAI's events
        self.terminal: StreamFrame | None = None  # likewise
        self.lock = asyncio.Lock()  # for what is asked once for all readers
        self.news = asyncio.Event()  # another one after each news
        self._windows = windows
        self._entries: deque[Entry] = deque()
        self._floor = self.sequence  # below the first entry that is kept

    def told(self, cursor: int, seen: int) -> bool:
        """Whether a native reader has had all but the end: the log up to the cursor, and so many events."""
        complete = self.seal is not None and cursor >= self.seal.terminal.sequence - 1
        return complete and self.ended and seen == len(self.facts)

    def take_events(self, count: int, events: list[bytes]) -> bool:
        """Events of which the last is the job's `count`-th. False where some before them are missing."""
        known = len(self.facts) - (count - len(events))
        if known < 0:
            return False
        for event in events[known:]:
            self.facts.append(event)
            self.ended = self.ended or event_view(event)["type"] in TERMINAL_EVENTS
        self.wake()
        return True

    def take_log(self, logged: Logged) -> bool:
        """Chunks and perhaps the seal. False where some before them are missing."""
        for entry in entries_of(logged, self.sequence):
            if entry.operations[0].sequence > self.sequence + 1:
                return False
            self._take(entry)
        if logged.seal is not None:
            seal = Seal.FromString(logged.seal)
            if self.sequence + 1 < seal.terminal.sequence:
                return False
            self.seal = seal
        self.wake()
        return True

    def after(self, cursor: int) -> list[Entry] | None:
        """What is there above a cursor; None where some of it is kept no more."""
        if cursor < self._floor:
            return None
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.last <= cursor:
                break
            found.append(entry)
        found.reverse()
        return found

    def events_of(self, entry: Entry, scribe: Scribe) -> list[StreamFrame]:
        """An entry as OpenAI's events, written by the feed's scribe."""
        if entry.events is None:
            entry.events = scribe.events(entry.operations)
            self._grow(entry, sum([len(frame.sse) for frame in entry.events]))
        return entry.events

    def tokens_of(self, entry: Entry) -> list[Frame]:
        """An entry as the native stream's token frames: the text of messages, and nothing else."""
        if entry.tokens is None:
            entry.tokens = [
                {"type": "token", "sequence_number": operation.sequence, "text": operation.delta.text}
                for operation in entry.operations
                if operation.HasField("delta") and self.opened[operation.delta.index].kind == Kind.MESSAGE
            ]
            self._grow(entry, entry.size)
        return entry.tokens

    def drop(self) -> None:
        """Forget the first entry."""
        entry = self._entries.popleft()
        entry.kept = False
        self.size -= entry.size
        self._floor = entry.last

    def wake(self) -> None:
        """Have every reader look again."""
        news, self.news = self.news, asyncio.Event()
        news.set()

    def _take(self, entry: Entry) -> None:
        for operation in entry.operations:
            if operation.HasField("open_item"):
                self.opened[operation.open_item.index] = operation.open_item
        self.sequence = entry.last
        self.chunks += 1
        entry.kept = True
        self._entries.append(entry)
        self.size += entry.size
        self._windows.grown(self, entry.size)

    def _grow(self, entry: Entry, size: int) -> None:
        if entry.kept:
            entry.size += size
            self.size += size
            self._windows.grown(self, size)


def entries_of(logged: Logged, after: int) -> list[Entry]:
    """What a log's chunks and seal tell above a number, up to the terminal event."""
    seal = Seal.FromString(logged.seal) if logged.seal is not None else None
    entries = []
    for chunk in logged.chunks:
        operations = list(Chunk.FromString(chunk).operations)
        if seal is not None:
            operations = [operation for operation in operations if operation.sequence <= seal.end]
        entries += _entry(operations, after, len(chunk))
    if seal is not None:
        entries += _entry(list(seal.closing), after, seal.ByteSize())
    return entries


def _entry(operations: list[Operation], after: int, size: int) -> list[Entry]:
    """One, or none where all is known."""
    if operations and operations[0].sequence <= after:
        operations = [operation for operation in operations if operation.sequence + operation.count - 1 > after]
    if not operations:
        return []
    return [Entry(operations, operations[-1].sequence + operations[-1].count - 1, size)]
