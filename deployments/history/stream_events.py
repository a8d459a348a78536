"""OpenAI's stream events of a job: a pure function of its request, its log and, for the last one, its Response.

Invariants:
- The same log gives the same bytes, in every process and at every time; so a stream can be resumed at any number.
- Every event is one line of JSON. Numbers follow each other without a gap: each operation gives `count` events.
- A foreground stream shows no `response.queued`, and every number of its log less one.

How a stream ends, by what is open when its job does:

    nothing         TERMINALS[status]
    message         output_text.done, content_part.done, output_item.done, TERMINALS[status]
    reasoning       reasoning_text.done, content_part.done, output_item.done, TERMINALS[status]
    function call   function_call_arguments.done, output_item.done, TERMINALS[status]
    file search     file_search_call.completed, output_item.done, TERMINALS[status]

The item's status is `completed` where the job is completed, and `incomplete` elsewhere.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydantic_core import to_json

from deployments.history.responses import annotation_object, item_object, logprob_object, skeleton
from events.v1.tokens_pb2 import Annotate, CloseItem, Delta, Logprob, OpenItem, Operation, Seal
from pipelines.jobs import Status
from pipelines.operations import Item, Kind, item_of
from pipelines.payloads import Request

TERMINALS = {
    Status.COMPLETED: "response.completed",
    Status.INCOMPLETE: "response.incomplete",
    Status.FAILED: "response.failed",
    Status.CANCELLED: "response.cancelled",
}


class Shape(NamedTuple):
    """How an item of a kind is told: its events' names, the field with the whole text, whether it has a part."""

    delta: str
    done: str
    whole: str
    part: bool


SHAPES = {
    Kind.MESSAGE: Shape("response.output_text.delta", "response.output_text.done", "text", part=True),
    Kind.REASONING: Shape("response.reasoning_text.delta", "response.reasoning_text.done", "text", part=True),
    Kind.FUNCTION_CALL: Shape(
        "response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments", part=False
    ),
}
_BREAKS = {  # what some clients take for the end of a line; JSON leaves them as they are
    "\u0085".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}


class StreamFrame(NamedTuple):
    """One event, as it goes over the wire: a whole Server-Sent Event."""

    sequence: int
    type: str
    sse: bytes

    @property
    def data(self) -> bytes:
        """The event itself: one line of JSON."""
        return self.sse[len("event: \ndata: ") + len(self.type) : -2]


class Scribe:
    """Writes the events of one job. `opened` are the items that its log has opened so far, by their index.

    An operation can be told at any time, and again, once the opening of its item has been told or is in `opened`.
    """

    def __init__(self, job_id: str, request: Request, opened: dict[int, OpenItem] | None = None) -> None:
        self.shift = 0 if request.background else 1  # logged numbers less shown ones
        self._job_id = job_id
        self._request = request
        self._opened = {} if opened is None else opened
        self._deltas: dict[int, Callable[[int, Delta], StreamFrame]] = {}

    def head(self) -> list[StreamFrame]:
        """What comes before the log: `created`, and for a background response `queued`."""
        if self.shift:
            return [self._lifecycle(0, "response.created", Status.IN_PROGRESS)]
        kinds = ("response.created", "response.queued")
        return [self._lifecycle(number, kind, Status.QUEUED) for number, kind in enumerate(kinds)]

    def events(self, operations: Iterable[Operation]) -> list[StreamFrame]:
        """The events of operations; none for a kind of a later version."""
        frames: list[StreamFrame] = []
        for operation in operations:
            number = operation.sequence - self.shift
            if operation.HasField("delta"):  # most are
                frames.append(self._delta(number, operation.delta))
            else:
                frames += self._others(number, operation)
        return frames

    def terminal(self, seal: Seal, response: dict[str, Any]) -> StreamFrame:
        """The last event of a sealed log, with the Response as it is from now on."""
        number = seal.terminal.sequence - self.shift
        return _frame(number, TERMINALS[Status(seal.terminal.status)], {"response": response})

    def snapshot(self, status: Status) -> dict[str, Any]:
        """The Response as far as it follows from the request alone."""
        return {**skeleton(self._job_id, self._request), "status": status.value}

    def _others(self, number: int, operation: Operation) -> list[StreamFrame]:
        match operation.WhichOneof("kind"):
            case "open_item":
                self._opened[operation.open_item.index] = operation.open_item
                return _numbered(number, _opening(operation.open_item))
            case "close_item":
                return _numbered(number, _closing(operation.close_item))
            case "annotate":
                return _numbered(number, [self._annotation(operation.annotate)])
            case "in_progress":
                return [self._lifecycle(number, "response.in_progress", Status.IN_PROGRESS)]
        return []

    def _annotation(self, annotate: Annotate) -> tuple[str, dict[str, Any]]:
        place = {"item_id": self._opened[annotate.index].item_id, "output_index": annotate.index, "content_index": 0}
        added = {"annotation_index": annotate.number, "annotation": annotation_object(annotate.citation)}
        return "response.output_text.annotation.added", {**place, **added}

    def _lifecycle(self, number: int, kind: str, status: Status) -> StreamFrame:
        return _frame(number, kind, {"response": self.snapshot(status)})

    def _delta(self, number: int, delta: Delta) -> StreamFrame:
        write = self._deltas.get(delta.index)
        if write is None:
            write = self._deltas[delta.index] = _delta_writer(self._opened[delta.index])
        return write(number, delta)


def _delta_writer(opened: OpenItem) -> Callable[[int, Delta], StreamFrame]:
    """Writes the deltas of one item: all but the text, its number and its likelihoods is there already."""
    shape = SHAPES[Kind(opened.kind)]
    place = {"item_id": opened.item_id, "output_index": opened.index}
    if shape.part:
        place["content_index"] = 0
    kind = shape.delta
    head = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'.encode()
    middle = b"," + to_json(place)[1:-1] + b',"delta":'
    likely = opened.kind == Kind.MESSAGE
    tail = b',"logprobs":[]}\n\n' if likely else b"}\n\n"

    def write(number: int, delta: Delta) -> StreamFrame:
        logprobs = delta.logprobs if likely else ()
        end = _likely_end(logprobs) if logprobs else tail
        return StreamFrame(number, kind, b"%b%d%b%b%b" % (head, number, middle, _line(delta.text), end))

    return write


def _likely_end(logprobs: Iterable[Logprob]) -> bytes:
    return b',"logprobs":' + _line([logprob_object(logprob) for logprob in logprobs]) + b"}\n\n"


def _opening(opened: OpenItem) -> Iterable[tuple[str, dict[str, Any]]]:
    item = item_object(Item(kind=Kind(opened.kind), item_id=opened.item_id, name=opened.name, call_id=opened.call_id))
    if opened.kind == Kind.FILE_SEARCH:
        yield "response.output_item.added", {"output_index": opened.index, "item": item}
        for state in ("in_progress", "searching"):
            yield f"response.file_search_call.{state}", {"item_id": opened.item_id, "output_index": opened.index}
        return
    if not SHAPES[Kind(opened.kind)].part:
        yield "response.output_item.added", {"output_index": opened.index, "item": item}
        return
    yield "response.output_item.added", {"output_index": opened.index, "item": {**item, "content": []}}
    place = {"item_id": opened.item_id, "output_index": opened.index, "content_index": 0}
    yield "response.content_part.added", {**place, "part": item["content"][0]}


def _closing(close: CloseItem) -> Iterable[tuple[str, dict[str, Any]]]:
    item = item_object(item_of(close))
    place: dict[str, Any] = {"item_id": close.item_id, "output_index": close.index}
    if close.kind == Kind.FILE_SEARCH:
        yield "response.file_search_call.completed", place
        yield "response.output_item.done", {"output_index": close.index, "item": item}
        return
    shape = SHAPES[Kind(close.kind)]
    if shape.part:
        place["content_index"] = 0
    whole: dict[str, Any] = {shape.whole: close.text}
    if close.kind == Kind.MESSAGE:
        whole["logprobs"] = item["content"][0]["logprobs"]
    elif close.kind == Kind.FUNCTION_CALL:
        whole["name"] = close.name
    yield shape.done, {**place, **whole}
    if shape.part:
        yield "response.content_part.done", {**place, "part": item["content"][0]}
    yield "response.output_item.done", {"output_index": close.index, "item": item}


def _numbered(first: int, events: Iterable[tuple[str, dict[str, Any]]]) -> list[StreamFrame]:
    return [_frame(number, kind, fields) for number, (kind, fields) in enumerate(events, first)]


def _frame(number: int, kind: str, fields: dict[str, Any]) -> StreamFrame:
    data = _line({"type": kind, "sequence_number": number, **fields})
    return StreamFrame(number, kind, b"event: %b\ndata: %b\n\n" % (kind.encode(), data))


def _line(value: Any) -> bytes:
    """JSON that every client takes for one line."""
    data: bytes = to_json(value)
    if not data.isascii():
        for character, escape in _BREAKS.items():
            data = data.replace(character, escape)
    return data
