"""One reader of one job: what it has seen, and the frames that wait for it.

Invariants:
- Token frames come in order, each once, and none past the seal; the one `end` frame comes from the seal.
- `end` waits for the job's terminal event, so that a reader has seen everything when it comes.
- At most `limit` frames wait. A reader that is too slow for that falls behind: further news is passed over, and it
  asks again from its own cursors when it has caught up. So a slow reader costs no memory and loses nothing.
"""

import asyncio
from collections import deque
from typing import Any

from actors.token_log.protocol import Logged
from deployments.history.views import event_view
from events.v1.tokens_pb2 import Chunk, Operation, Seal
from pipelines.generate import FIRST_OPERATION

TERMINAL_EVENTS = frozenset({"ResultStored", "JobIncomplete", "JobFailed", "JobCancelled", "JobDeadLettered"})
Frame = dict[str, Any]


class Reader:
    """Takes news that may repeat or come in another order; gives frames."""

    def __init__(self, job_id: str, *, starting_after: int, limit: int) -> None:
        self.job_id = job_id
        self.sequence = starting_after  # the last number seen
        self.events = 0  # how many were seen
        self.behind = False
        self.ended = False  # the terminal event was seen
        self.news = asyncio.Event()
        self._limit = limit
        self._frames: deque[Frame] = deque()
        self._end: Frame | None = None

    @property
    def sealed(self) -> bool:
        """Whether the seal was seen."""
        return self._end is not None

    def take_events(self, count: int, events: list[bytes]) -> bool:
        """Events of which the last is the job's `count`-th. False where some before them are missing."""
        self.news.set()
        known = self.events - (count - len(events))
        if known < 0:
            return False
        for event in events[known:]:
            if self._full():
                return True
            view = event_view(event)
            self._frames.append({"type": "event", "event": view})
            self.events += 1
            self.ended = self.ended or view["type"] in TERMINAL_EVENTS
        return True

    def take_log(self, logged: Logged) -> bool:
        """Chunks and perhaps the seal. False where some before them are missing."""
        self.news.set()
        seal = Seal.FromString(logged.seal) if logged.seal is not None else None
        for operation in _operations(logged, seal):
            if operation.sequence + operation.count - 1 <= self.sequence:
                continue
            if operation.sequence > self._next():
                return False
            if self._full():
                return True
            self._show(operation)
        if seal is not None:
            if self._next() < seal.terminal.sequence:
                return False
            self._end = _end_frame(seal)
        return True

    def pop(self) -> Frame | None:
        """The next frame; None where nothing waits."""
        if self._frames:
            return self._frames.popleft()
        return self._end if self.ended else None

    def _next(self) -> int:
        return max(self.sequence + 1, FIRST_OPERATION)

    def _full(self) -> bool:
        self.behind = self.behind or len(self._frames) >= self._limit
        return self.behind

    def _show(self, operation: Operation) -> None:
        self.sequence = operation.sequence + operation.count - 1
        if operation.WhichOneof("kind") == "delta":
            frame = {"type": "token", "sequence_number": operation.sequence, "text": operation.delta.text}
            self._frames.append(frame)


def _operations(logged: Logged, seal: Seal | None) -> list[Operation]:
    operations = [operation for chunk in logged.chunks for operation in Chunk.FromString(chunk).operations]
    if seal is None:
        return operations
    return [*(o for o in operations if o.sequence <= seal.end), *seal.closing]


def _end_frame(seal: Seal) -> Frame:
    terminal = seal.terminal
    error = {"code": terminal.error.code, "message": terminal.error.message} if terminal.HasField("error") else None
    return {"type": "end", "sequence_number": terminal.sequence, "status": terminal.status, "error": error}
