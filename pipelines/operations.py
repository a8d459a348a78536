"""The visible stream as numbered operations: how text becomes them, and what a log of them amounts to.

Invariants:
- The numbers of a job's operations follow each other without a gap, from FIRST_OPERATION on.
- Everything here is a function of the job's id and the text, so that every process writes the same bytes.
- A log is cut between whole operations only; what is then open is closed by `closing`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from events.ids import derived_id
from events.v1.tokens_pb2 import Chunk, CloseItem, Delta, InProgress, OpenItem, Operation
from pipelines.generate import FIRST_OPERATION
from pipelines.jobs import Status

_OPEN_EVENTS = 2  # output_item.added, content_part.added
_CLOSE_EVENTS = 3  # output_text.done, content_part.done, output_item.done


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What a log holds so far: `open` while an item is, `text` of that item or of the one closed last."""

    next_sequence: int = FIRST_OPERATION
    open: bool = False
    text: str = ""
    token_ids: tuple[int, ...] = ()
    finish_reason: str = ""
    engine_fingerprint: str = ""


EMPTY = LogState()


class Composer:
    """Turns a job's text into operations; goes on where a log's state ends."""

    def __init__(self, job_id: str, state: LogState = EMPTY) -> None:
        self._item_id = derived_id("msg", job_id)
        self._open = state.open
        self._text = [state.text]
        self.next_sequence = state.next_sequence

    def begin(self) -> list[Operation]:
        """What must stand before the first text; nothing where the log has it already."""
        operations = []
        if self.next_sequence == FIRST_OPERATION:
            operations.append(Operation(sequence=self._take(1), count=1, in_progress=InProgress()))
        if not self._open:
            self._open, self._text = True, []
            item = OpenItem(item_id=self._item_id)
            operations.append(Operation(sequence=self._take(_OPEN_EVENTS), count=_OPEN_EVENTS, open_item=item))
        return operations

    def delta(self, text: str) -> list[Operation]:
        """More text; nothing for no text, which readers need not see."""
        if not text:
            return []
        self._text.append(text)
        return [Operation(sequence=self._take(1), count=1, delta=Delta(text=text))]

    def close(self, status: Status) -> list[Operation]:
        """The end of the item with its whole text; complete only where the job is."""
        self._open = False
        item = CloseItem(item_id=self._item_id, status=_item_status(status), text="".join(self._text))
        return [Operation(sequence=self._take(_CLOSE_EVENTS), count=_CLOSE_EVENTS, close_item=item)]

    def _take(self, count: int) -> int:
        first = self.next_sequence
        self.next_sequence += count
        return first


def replay(chunks: Iterable[bytes]) -> LogState:
    """What the chunks of a log amount to. They come in order and whole, from the first on."""
    next_sequence, is_open, finish_reason, fingerprint = FIRST_OPERATION, False, "", ""
    text: list[str] = []
    token_ids: list[int] = []
    for chunk in map(Chunk.FromString, chunks):
        for operation in chunk.operations:
            next_sequence = operation.sequence + operation.count
            match operation.WhichOneof("kind"):
                case "open_item":
                    is_open, text = True, []
                case "delta":
                    text.append(operation.delta.text)
                case "close_item":
                    is_open = False
        token_ids.extend(chunk.token_ids)
        finish_reason = chunk.finish_reason or finish_reason
        fingerprint = fingerprint or chunk.engine_fingerprint
    return LogState(
        next_sequence=next_sequence,
        open=is_open,
        text="".join(text),
        token_ids=tuple(token_ids),
        finish_reason=finish_reason,
        engine_fingerprint=fingerprint,
    )


def closing(job_id: str, state: LogState, status: Status) -> list[Operation]:
    """The operations that close what a log has open when its job ends with this status."""
    return Composer(job_id, state).close(status) if state.open else []


def span(operations: Sequence[Operation]) -> tuple[int, int]:
    """The first number and the one after the last. Raises ValueError for none, or numbers with a gap."""
    if not operations:
        raise ValueError("a chunk needs an operation")
    expected = operations[0].sequence
    for operation in operations:
        if operation.sequence != expected or operation.count < 1:
            raise ValueError(f"operation {operation.sequence} (count {operation.count}) where {expected} is next")
        expected += operation.count
    return operations[0].sequence, expected


def cut(chunk: bytes, end: int) -> bytes:
    """The chunk with only the operations that lie whole at or before `end`, b"" where there is none.

    A chunk that loses operations loses its token ids and finish reason too: they belong to what is gone.
    """
    whole = Chunk.FromString(chunk)
    kept = [operation for operation in whole.operations if operation.sequence + operation.count - 1 <= end]
    if len(kept) == len(whole.operations):
        return chunk
    return Chunk(operations=kept, engine_fingerprint=whole.engine_fingerprint).SerializeToString() if kept else b""


def _item_status(status: Status) -> str:
    return "completed" if status is Status.COMPLETED else "incomplete"
