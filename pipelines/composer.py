"""How what a model says becomes operations.

Invariants:
- The numbers of a job's operations follow each other without a gap, from FIRST_OPERATION on.
- Everything here is a function of the job's id, its sources and what the model says, so that every process writes the
  same bytes.
- Items follow each other: one is closed before the next is opened.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from events.ids import derived_id
from events.v1.tokens_pb2 import Annotate, Citation, CloseItem, InProgress, OpenItem, Operation
from pipelines.citations import Citer
from pipelines.jobs import Status
from pipelines.operations import EMPTY, Item, Kind, LogState, Piece
from pipelines.payloads import Source
from pipelines.steps import FIRST_OPERATION

_PREFIXES = {Kind.MESSAGE: "msg", Kind.REASONING: "rs", Kind.FUNCTION_CALL: "fc", Kind.FILE_SEARCH: "fs"}
# How many events readers see: output_item.added and, where there is a content part, content_part.added, and of a search
# in_progress and searching; the text's done, content_part.done where there is one, output_item.done.
_OPEN_EVENTS = {Kind.MESSAGE: 2, Kind.REASONING: 2, Kind.FUNCTION_CALL: 1, Kind.FILE_SEARCH: 3}
_CLOSE_EVENTS = {Kind.MESSAGE: 3, Kind.REASONING: 3, Kind.FUNCTION_CALL: 2, Kind.FILE_SEARCH: 2}


class Composer:
    """Turns what a job's model says into operations; goes on where a log's state ends.

    `sources` are what its messages may cite.
    """

    def __init__(self, job_id: str, state: LogState = EMPTY, sources: Sequence[Source] = ()) -> None:
        self._job_id = job_id
        self._closed = [item for item in state.items if item.status]
        self._open = state.open
        self._text = [self._open.text] if self._open else []
        self._logprobs = list(self._open.logprobs) if self._open else []
        self._sources = sources
        self._citer = self._new_citer(self._open)
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

    def show_search(self, found: str) -> list[Operation]:
        """A search that is over, as the first item: its queries and results as JSON. As far as the log lacks it."""
        if self._closed:
            return []
        opened = [self._open_item(Piece(text="", kind=Kind.FILE_SEARCH))] if self._open is None else []
        self._text = [found]
        return [*opened, *self.close(Status.COMPLETED)]

    def close(self, status: Status) -> list[Operation]:
        """The end of the open item with its whole text; complete only where the job is. Nothing where none is open."""
        if self._open is None:
            return []
        annotations = self._annotate(self._citer.rest()) if self._citer else []
        item = replace(
            self._open,
            text="".join(self._text),
            status=_item_status(status),
            logprobs=tuple(self._logprobs),
            citations=self._citer.found if self._citer else self._open.citations,
        )
        self._open, self._text, self._logprobs, self._citer = None, [], [], None
        self._closed.append(item)
        count = _CLOSE_EVENTS[item.kind]
        return [*annotations, Operation(sequence=self._take(count), count=count, close_item=self._close_item(item))]

    def _open_item(self, piece: Piece) -> Operation:
        index = len(self._closed)
        call_id = derived_id("call", self._job_id, index) if piece.kind is Kind.FUNCTION_CALL else ""
        item_id = derived_id(_PREFIXES[piece.kind], self._job_id, index)
        self._open = Item(kind=piece.kind, item_id=item_id, name=piece.name, call_id=call_id)
        self._citer = self._new_citer(self._open)
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
        return [operation, *self._annotate(self._citer.read(piece.text))] if self._citer else [operation]

    def _annotate(self, citations: Iterable[tuple[int, Citation]]) -> list[Operation]:
        index = len(self._closed)
        return [
            Operation(sequence=self._take(1), count=1, annotate=Annotate(index=index, number=number, citation=citation))
            for number, citation in citations
        ]

    def _new_citer(self, item: Item | None) -> Citer | None:
        """What reads the citations of a message, where there is something to cite."""
        if item is None or item.kind is not Kind.MESSAGE or not self._sources:
            return None
        return Citer(self._sources, item.text, item.citations)

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
            citations=item.citations,
        )

    def _take(self, count: int) -> int:
        first = self.next_sequence
        self.next_sequence += count
        return first


def closing(job_id: str, state: LogState, status: Status) -> list[Operation]:
    """The operations that close what a log has open when its job ends with this status."""
    return Composer(job_id, state).close(status)


def _item_status(status: Status) -> str:
    return "completed" if status is Status.COMPLETED else "incomplete"
