"""A replica's hand on the token log: one append at a time for all of its jobs; of several shards each has its own.

Invariants: a job's operations are appended in the order in which they were written; what is written while an append
is in flight goes with the next one, so the first token leaves at once and batches grow under load; a call that
fails is repeated until it is answered, which the log allows; after a refusal nothing more is appended for that fence.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from actors.crash_points import crash_point
from actors.token_log.protocol import Append, AppendVerdict, TokenLogApi
from events.ids import named_shard
from events.v1.tokens_pb2 import Chunk, Operation
from pipelines.errors import HeliographError, StaleFenceError
from pipelines.ports import Ports, Task
from pipelines.retry import backoff_s

log = logging.getLogger("heliograph")
_LOST = (AppendVerdict.STALE, AppendVerdict.SEALED)  # another has decided this job


class AppendError(HeliographError):
    """The log took the job for ours and yet refused a chunk: the attempt has failed."""


@dataclass(slots=True, eq=False)
class _Line:
    """What one claim has written and the log has not yet."""

    job_id: str
    fence: int
    operations: list[Operation] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    finish_reason: str = ""
    engine_fingerprint: str = ""
    next_sequence: int = 0  # 0: nothing written yet
    in_flight: bool = False
    error: HeliographError | None = None
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def add(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            if self.next_sequence not in (0, operation.sequence):
                raise ValueError(f"{self.job_id}: operation {operation.sequence} where {self.next_sequence} is next")
            self.next_sequence = operation.sequence + operation.count
        self.operations += operations

    def take(self) -> Append:
        chunk = Chunk(
            operations=self.operations,
            token_ids=self.token_ids,
            finish_reason=self.finish_reason,
            engine_fingerprint=self.engine_fingerprint,
        )
        first, data = self.operations[0].sequence, chunk.SerializeToString()
        self.operations, self.token_ids, self.finish_reason, self.engine_fingerprint = [], [], "", ""
        self.in_flight = True
        return Append(
            job_id=self.job_id, fence=self.fence, sequence=first, next_sequence=self.next_sequence, chunk=data
        )

    def fail(self, error: HeliographError) -> None:
        self.error = error
        self.wake()

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():  # else its task was cancelled
                waiter.set_result(None)


class TokenLogWriter:
    """Writes for one replica. `on_refused(job_id, fence)` hears that another has decided a job."""

    def __init__(self, log: TokenLogApi, *, ports: Ports, on_refused: Callable[[str, int], None]) -> None:
        self._log = log
        self._ports = ports
        self._on_refused = on_refused
        self._lines: dict[str, _Line] = {}
        self._waiting: dict[int, dict[str, _Line]] = {}  # by shard: lines with operations to append, oldest first
        self._tasks: dict[int, Task] = {}

    def write(
        self,
        job_id: str,
        fence: int,
        operations: Sequence[Operation],
        token_ids: Sequence[int],
        *,
        finish_reason: str = "",
        engine_fingerprint: str = "",
    ) -> None:
        """Append soon; never blocks. Token ids without an operation wait for the next one.

        Raises what `flush` raises where an earlier chunk of this fence was refused, ValueError for numbers with a gap.
        """
        line = self._line(job_id, fence)
        line.add(operations)
        line.token_ids += token_ids
        line.finish_reason = finish_reason or line.finish_reason
        line.engine_fingerprint = engine_fingerprint or line.engine_fingerprint
        if line.operations:
            shard = named_shard(job_id)
            self._waiting.setdefault(shard, {})[job_id] = line
            if shard not in self._tasks:
                self._tasks[shard] = self._ports.spawn(self._run(shard), "token log writer")

    async def flush(self, job_id: str) -> None:
        """Returns when all operations of the job are on disk.

        Raises StaleFenceError where another has decided the job, AppendError where the log cannot take the chunk.
        """
        line = self._lines.get(job_id)
        if line is None:
            return
        while line.error is None and (line.in_flight or line.operations):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            line.waiters.append(waiter)
            await waiter
        if line.error is not None:
            raise line.error

    def forget(self, job_id: str) -> None:
        """The claim is over; what is not yet on disk is dropped. Call it at the end of every claim."""
        line = self._lines.pop(job_id, None)
        self._drop(job_id)
        if line is not None:
            line.fail(StaleFenceError(job_id))

    def _line(self, job_id: str, fence: int) -> _Line:
        line = self._lines.get(job_id)
        if line is None or line.fence < fence:
            self.forget(job_id)
            line = self._lines[job_id] = _Line(job_id, fence)
        if line.fence > fence:
            raise StaleFenceError(job_id)
        if line.error is not None:
            raise line.error
        return line

    async def _run(self, shard: int) -> None:
        try:
            while waiting := self._waiting.pop(shard, None):
                await self._append({line: line.take() for line in waiting.values()})
        finally:
            del self._tasks[shard]

    async def _append(self, batch: dict[_Line, Append]) -> None:
        for attempt in itertools.count(1):
            batch = {line: append for line, append in batch.items() if self._lines.get(line.job_id) is line}
            if not batch:
                return
            self._ports.metrics.observe("batch_size", len(batch), batch="append")
            try:
                crash_point("inference.append.before")
                verdicts = await self._log.append(list(batch.values()))
                crash_point("inference.append.after")
            except Exception:
                log.exception("append failed", extra={"rows": len(batch)})
                self._ports.metrics.count("loop_failures", loop="token_log_writer")
                await self._ports.sleep(backoff_s(attempt, self._ports.random))
                continue
            for line, verdict in zip(batch, verdicts, strict=True):
                self._settle(line, verdict)
            return

    def _settle(self, line: _Line, verdict: AppendVerdict) -> None:
        line.in_flight = False
        if self._lines.get(line.job_id) is not line:
            return
        if verdict is AppendVerdict.DONE:
            line.wake()
            return
        self._drop(line.job_id)
        if verdict in _LOST:
            line.fail(StaleFenceError(line.job_id))
            asyncio.get_running_loop().call_soon(self._on_refused, line.job_id, line.fence)
        else:
            line.fail(AppendError(f"append to {line.job_id} was refused: {verdict}"))

    def _drop(self, job_id: str) -> None:
        self._waiting.get(named_shard(job_id), {}).pop(job_id, None)
