"""What may be asked of the token log. The plain `TokenLog` and the handle to its Ray actor both answer.

Chunks and seals are serialised `events.v1.tokens_pb2` messages. A log belongs to a job; its fence is the job's.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from pipelines.jobs import Fault, Status


class Logged(NamedTuple):
    """A log, whole or from a cursor: its chunks in order, and its seal once it has ended."""

    chunks: list[bytes]
    seal: bytes | None


class Append(NamedTuple):
    """One chunk of a job. `sequence` is that of its first operation, `next_sequence` the one after its last.

    A tuple, because a frozen dataclass takes six times as long to unpickle, and every chunk is one.
    """

    job_id: str
    fence: int
    sequence: int
    next_sequence: int
    chunk: bytes


class SealRequest(NamedTuple):
    """End a log. `end` is the last sequence number to show (None: all that is there)."""

    job_id: str
    status: Status
    fault: Fault | None = None
    end: int | None = None


class AppendVerdict(StrEnum):
    """The answer to an append; anything but DONE means: stop writing."""

    DONE = "done"  # on disk, also for a repeat
    STALE = "stale"  # a higher fence has opened the log
    SEALED = "sealed"  # the log has ended
    GAP = "gap"  # the sequence is not the log's next one
    ERROR = "error"  # this row alone failed


class TokenLogApi(Protocol):
    """Every call is for many; every mutation may be repeated."""

    @property
    def parts(self) -> Sequence["TokenLogShard"]:
        """The shards: this one alone, or all."""

    async def open(self, batch: Sequence[tuple[str, int]]) -> list[Logged | None]:
        """(job, fence): shut out lower fences, then read. None where the fence is stale."""

    async def append(self, batch: Sequence[Append]) -> list[AppendVerdict]:
        """Add chunks. Written before shown."""

    async def seal(self, batch: Sequence[SealRequest]) -> list[bytes]:
        """The seals: new ones, or those that were there."""

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Remove the logs of jobs that are no more.

        Nothing remembers their fences: what a worker writes afterwards begins a new log that no reader is led to,
        because readers ask the journal first.
        """

    async def read(self, job_id: str, after: int, limit_bytes: int | None = None) -> Logged:
        """What has a sequence number above `after` (-1: all), as far as it is there now.

        With `limit_bytes` a page of it: one chunk at least, then as many as fit; the seal comes with the last page.
        Chunks come whole, here and in `follow`: the first may begin with operations at or below `after`.
        """


class TokenLogShard(TokenLogApi, Protocol):
    """One shard, which its readers follow."""

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, Logged]:
        """Long poll of a reader's process: by job, what is new since the last answer.

        `add` gives new job ids with the last sequence number already seen. A sealed log is answered once and
        then forgotten for this session.
        """
