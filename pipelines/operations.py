"""The visible stream as numbered operations: how text becomes them, and what a log of them amounts to.

Invariants:
- The numbers of a job's operations follow each other without a gap, from FIRST_OPERATION on.
- Everything here is a function of the job's id and what the model says, so that every process writes the same bytes.
- Items follow each other: one is closed before the next is opened.
- A log is cut between whole operations only; what is then open is closed by `closing`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from events.ids import derived_id
from events.v1.tokens_pb2 import Chunk, CloseItem, InProgress, Logprob, OpenItem, Operation
from pipelines.jobs import Status
from pipelines.steps import FIRST_OPERATION


class Kind(StrEnum):
    """What an output item is. Messages are the default, and are written as nothing."""

    MESSAGE = ""
    REASONING = "reasoning"
    FUNCTION_CALL = "function_call"


_PREFIXES = {Kind.MESSAGE: "msg", Kind.REASONING: "rs", Kind.FUNCTION_CALL: "fc"}
# How many events readers see: output_item.added and, where there is a content part, content_part.added;
# the text's done, content_part.done where there is one, output_item.done.
_OPEN_EVENTS = {Kind.MESSAGE: 2, Kind.REASONING: 2, Kind.FUNCTION_CALL: 1}
_CLOSE_EVENTS = {Kind.MESSAGE: 3, Kind.REASONING: 3, Kind.FUNCTION_CALL: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An output item. `text` is a message's, a reasoning's, or a call's arguments; `status` is "" while it is open."""

    kind: Kind = Kind.MESSAGE
    item_id: str
    name: str = ""  # of the function
    call_id: str = ""
    text: str = ""
    status: str = ""  # completed, incomplete
    logprobs: tuple[Logprob, ...] = ()


class Piece(NamedTuple):
    """What a model says next. `opens` begins another item even where one of the same kind is open."""

    text: str
    kind: Kind = Kind.MESSAGE
    name: str = ""
    logprobs: tuple[Logprob, ...] = ()
    opens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What a log holds so far."""

    next_sequence: int = FIRST_OPERATION
    items: tuple[Item, ...] = ()  # the last one may be open
    token_ids: tuple[int, ...] = ()
    finish_reason: str = ""
    engine_fingerprint: str = ""

    @property
    def open(self) -> Item | None:
        """The item that is open."""
        return self.items[-1] if self.items and not self.items[-1].status else None

    @property
    def text(self) -> str:
        """The text of all messages."""
        return "".join([item.text for item in self.items if item.kind is Kind.MESSAGE])


EMPTY = LogState()


class Composer:
    """Turns what a job's model says into operations; goes on where a log's state ends."""

    def __init__(self, job_id: str, state: LogState = EMPTY) -> None:
        self._job_id = job_id
        self._closed = [item for item in state.items if item.status]
        self._open = state.open
        self._text = [self._open.text] if self._open else []
        self._logprobs = list(self._open.logprobs) if self._open else []
        self.next_sequence = state.next_sequence

    @property
    def open(self) -> Item | None:
        """The item that is open, as it was when it was opened."""
        return self._open

    @property
    def items(self) -> list[Item]:
        """The items that are closed."""
        return self._closed

    def begin(self) -> list[Operation]:
        """What must stand before the first item; nothing where the log has it already."""
        if self.next_sequence != FIRST_OPERATION:
            return []
        return [Operation(sequence=self._take(1), count=1, in_progress=InProgress())]

    def say(self, piece: Piece) -> list[Operation]:
        """A piece: the end of the item before it, a new item, its text, as far as each is needed."""
        if self._open is not None and piece.kind is self._open.kind and not piece.opens:
            return self._delta(piece)
        return [*self.close(Status.COMPLETED), self._open_item(piece), *self._delta(piece)]

    def close(self, status: Status) -> list[Operation]:
        """The end of the open item with its whole text; complete only where the job is. Nothing where none is open."""
        if self._open is None:
            return []
        item = replace(
            self._open, text="".join(self._text), status=_item_status(status), logprobs=tuple(self._logprobs)
        )
        self._open, self._text, self._logprobs = None, [], []
        self._closed.append(item)
        count = _CLOSE_EVENTS[item.kind]
        return [Operation(sequence=self._take(count), count=count, close_item=self._close_item(item))]

    def _open_item(self, piece: Piece) -> Operation:
        index = len(self._closed)
        call_id = derived_id("call", self._job_id, index) if piece.kind is Kind.FUNCTION_CALL else ""
        item_id = derived_id(_PREFIXES[piece.kind], self._job_id, index)
        self._open = Item(kind=piece.kind, item_id=item_id, name=piece.name, call_id=call_id)
        opened = OpenItem(index=index, item_id=item_id, kind=piece.kind, name=piece.name, call_id=call_id)
        count = _OPEN_EVENTS[piece.kind]
        return Operation(sequence=self._take(count), count=count, open_item=opened)

    def _delta(self, piece: Piece) -> list[Operation]:
        if not piece.text:  # which readers need not see
            return []
        self._text.append(piece.text)
        operation = Operation(sequence=self._take(1), count=1)
        delta = operation.delta  # filled in place: a message that is handed over is copied
        delta.index, delta.text = len(self._closed), piece.text
        if piece.logprobs:
            self._logprobs += piece.logprobs
            delta.logprobs.extend(piece.logprobs)
        return [operation]

    def _close_item(self, item: Item) -> CloseItem:
        return CloseItem(
            index=len(self._closed) - 1,
            item_id=item.item_id,
            status=item.status,
            text=item.text,
            kind=item.kind,
            name=item.name,
            call_id=item.call_id,
            logprobs=item.logprobs,
        )

    def _take(self, count: int) -> int:
        first = self.next_sequence
        self.next_sequence += count
        return first


class _Fold:
    """Items, as operations make them."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._text: list[str] = []
        self._logprobs: list[Logprob] = []

    def add(self, operation: Operation) -> None:
        match operation.WhichOneof("kind"):
            case "open_item":
                opened = operation.open_item
                self._text, self._logprobs = [], []
                self.items.append(
                    Item(kind=Kind(opened.kind), item_id=opened.item_id, name=opened.name, call_id=opened.call_id)
                )
            case "delta":
                self._text.append(operation.delta.text)
                self._logprobs.extend(operation.delta.logprobs)
            case "close_item":
                self.items[-1] = item_of(operation.close_item)

    def result(self) -> tuple[Item, ...]:
        if self.items and not self.items[-1].status:
            self.items[-1] = replace(self.items[-1], text="".join(self._text), logprobs=tuple(self._logprobs))
        return tuple(self.items)


def item_of(close: CloseItem) -> Item:
    """An item as its end tells it whole."""
    return Item(
        kind=Kind(close.kind),
        item_id=close.item_id,
        name=close.name,
        call_id=close.call_id,
        text=close.text,
        status=close.status,
        logprobs=tuple(close.logprobs),
    )


def fold(operations: Iterable[Operation]) -> tuple[Item, ...]:
    """The items that operations amount to. They come in order and whole, from the first on."""
    folded = _Fold()
    for operation in operations:
        folded.add(operation)
    return folded.result()


def replay(chunks: Iterable[bytes]) -> LogState:
    """What the chunks of a log amount to. They come in order and whole, from the first on."""
    next_sequence, finish_reason, fingerprint = FIRST_OPERATION, "", ""
    folded = _Fold()
    token_ids: list[int] = []
    for chunk in map(Chunk.FromString, chunks):
        for operation in chunk.operations:
            next_sequence = operation.sequence + operation.count
            folded.add(operation)
        token_ids.extend(chunk.token_ids)
        finish_reason = chunk.finish_reason or finish_reason
        fingerprint = fingerprint or chunk.engine_fingerprint
    return LogState(
        next_sequence=next_sequence,
        items=folded.result(),
        token_ids=tuple(token_ids),
        finish_reason=finish_reason,
        engine_fingerprint=fingerprint,
    )


def closing(job_id: str, state: LogState, status: Status) -> list[Operation]:
    """The operations that close what a log has open when its job ends with this status."""
    return Composer(job_id, state).close(status)


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
