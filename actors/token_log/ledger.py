"""Applies commands to a store: the one place where the rules of the token log meet the rows.

Invariants:
- A log grows only at its next number, under the highest fence that it has seen, and not at all once it is sealed.
- Whatever is done twice is answered as the first time: an append that is there already is DONE, the first seal stays.
- A seal, the removal of what lies past its end and the operations that close what is then open are one commit.
A batch is one transaction: commands act in their order on what the earlier ones left, and each gets its own answer.
"""

from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from actors.token_log.protocol import Append, AppendVerdict, Logged, SealRequest
from actors.token_log.store import Head, Row, Transaction
from events.v1.events_pb2 import Error
from events.v1.tokens_pb2 import Chunk, Operation, Seal, Terminal
from pipelines.composer import closing
from pipelines.operations import cut, replay, span


class Open(NamedTuple):
    """Shut out lower fences, then read."""

    job_id: str
    fence: int


class Forget(NamedTuple):
    """Remove a log, as if it had never been."""

    job_id: str


Command = Open | Append | SealRequest | Forget
_NEW = Head()
Reply = Logged | None | AppendVerdict | bytes  # of Open (None: stale), Append, SealRequest and Forget (None)


class Ledger:
    """One batch in one transaction. Make a new one for each.

    `heads` are those that are known from earlier transactions. It is brought up to date, with those of the batch and
    without those that it sealed, so it is true once the transaction is committed, and worthless where it is not.
    """

    def __init__(self, transaction: Transaction, heads: dict[str, Head]) -> None:
        self._transaction = transaction
        self._heads = heads
        self._changed: dict[str, Head] = {}  # not yet in the transaction
        self._rows: dict[tuple[str, int], Row] = {}  # likewise

    def apply(self, commands: Sequence[Command]) -> list[Reply]:
        """The answers, one for one."""
        unknown = {command.job_id: None for command in commands if command.job_id not in self._heads}
        if unknown:
            self._heads |= self._transaction.heads(unknown)
        replies = [self._apply(command) for command in commands]
        self._flush()
        for command in commands:
            if isinstance(command, SealRequest):
                self._heads.pop(command.job_id, None)
        return replies

    def _apply(self, command: Command) -> Reply:
        head = self._heads.get(command.job_id, _NEW)
        match command:
            case Open():
                return self._open(command, head)
            case Append():
                return self._append(command, head)
            case SealRequest():
                return head.seal or self._seal(command, head)
            case Forget():
                self._forget(command)
                return None

    def _open(self, command: Open, head: Head) -> Logged | None:
        if command.fence < head.fence:
            return None
        if command.fence > head.fence and head.seal is None:
            self._put(command.job_id, head._replace(fence=command.fence))
        self._flush()
        return Logged([row.chunk for row in self._transaction.rows(command.job_id)], head.seal)

    def _append(self, command: Append, head: Head) -> AppendVerdict:
        if command.sequence < head.next_sequence and self._chunk(command) == command.chunk:
            return AppendVerdict.DONE  # a repeat
        if head.seal is not None:
            return AppendVerdict.SEALED
        if command.fence < head.fence:
            return AppendVerdict.STALE
        if command.sequence != head.next_sequence:
            return AppendVerdict.GAP
        if not _is_sound(command):
            return AppendVerdict.ERROR
        row = Row(command.job_id, command.sequence, command.next_sequence, command.chunk)
        self._rows[row.job_id, row.sequence] = row
        known, after = self._heads.get(command.job_id), Head(command.fence, None, row)
        if known is not None and known.fence == command.fence:
            self._heads[command.job_id] = after
        else:
            self._put(command.job_id, after)
        return AppendVerdict.DONE

    def _seal(self, request: SealRequest, head: Head) -> bytes:
        last = head.next_sequence - 1
        end = last if request.end is None else min(request.end, last)
        operations: list[Operation] = []
        if end < last or _leaves_open(head.last):
            rows = self._cut(request.job_id, end)
            head = head._replace(last=rows[-1] if rows else None)
            state = replay([row.chunk for row in rows])
            end = state.next_sequence - 1
            operations = closing(request.job_id, state, request.status)
        terminal = Terminal(sequence=end + 1 + sum(operation.count for operation in operations), status=request.status)
        if request.fault is not None:
            terminal.error.CopyFrom(Error(code=request.fault.code, message=request.fault.message))
        seal = Seal(end=end, closing=operations, terminal=terminal).SerializeToString()
        self._put(request.job_id, head._replace(seal=seal))
        return seal

    def _forget(self, command: Forget) -> None:
        self._flush()  # what this batch has written of the log goes with it
        self._heads.pop(command.job_id, None)
        self._transaction.forget([command.job_id])

    def _cut(self, job_id: str, end: int) -> list[Row]:
        """What is left of a log after the removal of all that lies past `end`."""
        self._flush()
        kept: list[Row] = []
        for row in self._transaction.rows(job_id):
            if row.next_sequence > end + 1:
                self._transaction.drop_rows(job_id, row.sequence)
                part = cut(row.chunk, end)
                if part:
                    _, after = span(Chunk.FromString(part).operations)
                    kept.append(row._replace(next_sequence=after, chunk=part))
                    self._transaction.add_rows(kept[-1:])
                break
            kept.append(row)
        return kept

    def _chunk(self, command: Append) -> bytes | None:
        row = self._rows.get((command.job_id, command.sequence))
        return row.chunk if row else self._transaction.chunk(command.job_id, command.sequence)

    def _put(self, job_id: str, head: Head) -> None:
        self._heads[job_id] = self._changed[job_id] = head

    def _flush(self) -> None:
        """Hand the transaction what has changed since the last flush."""
        self._transaction.put_heads(self._changed)
        self._transaction.add_rows(list(self._rows.values()))
        self._changed, self._rows = {}, {}


def _is_sound(command: Append) -> bool:
    """Whether the chunk is whole, and what the append says."""
    try:
        return span(Chunk.FromString(command.chunk).operations) == (command.sequence, command.next_sequence)
    except (DecodeError, ValueError):
        return False


def _leaves_open(row: Row | None) -> bool:
    """Whether an item is open after this row."""
    return row is not None and Chunk.FromString(row.chunk).operations[-1].WhichOneof("kind") in ("open_item", "delta")
