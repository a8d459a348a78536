"""The visible stream as numbered operations, and what a log of them amounts to. `composer.py` makes them.

Invariant: a log is cut between whole operations only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from events.v1.tokens_pb2 import Chunk, Citation, CloseItem, Logprob, Operation
from pipelines.steps import FIRST_OPERATION


class Kind(StrEnum):
    """What an output item is. Messages are the default, and are written as nothing."""

    MESSAGE = ""
    REASONING = "reasoning"
    FUNCTION_CALL = "function_call"
    FILE_SEARCH = "file_search_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An output item; `status` is "" while it is open.

    `text` is a message's, a reasoning's, a call's arguments, or of a search its queries and results as JSON.
    """

    kind: Kind = Kind.MESSAGE
    item_id: str
    name: str = ""  # of the function
    call_id: str = ""
    text: str = ""
    status: str = ""  # completed, incomplete
    logprobs: tuple[Logprob, ...] = ()
    citations: tuple[Citation, ...] = ()


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


class _Fold:
    """Items, as operations make them."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._text: list[str] = []
        self._logprobs: list[Logprob] = []
        self._citations: list[Citation] = []

    def add(self, operation: Operation) -> None:
        match operation.WhichOneof("kind"):
            case "open_item":
                opened = operation.open_item
                self._text, self._logprobs, self._citations = [], [], []
                self.items.append(
                    Item(kind=Kind(opened.kind), item_id=opened.item_id, name=opened.name, call_id=opened.call_id)
                )
            case "delta":
                self._text.append(operation.delta.text)
                self._logprobs.extend(operation.delta.logprobs)
            case "annotate":
                self._citations.append(operation.annotate.citation)
            case "close_item":
                self.items[-1] = item_of(operation.close_item)

    def result(self) -> tuple[Item, ...]:
        if self.items and not self.items[-1].status:
            self.items[-1] = replace(
                self.items[-1],
                text="".join(self._text),
                logprobs=tuple(self._logprobs),
                citations=tuple(self._citations),
            )
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
        citations=tuple(close.citations),
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
