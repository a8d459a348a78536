"""The frames of a job's stream as the Python client gives them, and how a reader goes on after a broken connection."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.jobs import Fault, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFrame:
    """Something has happened to the job: `type` is such as `PromptRendered`, `data` its references and figures."""

    id: str
    type: str
    step: str
    attempt: int
    created_at: float  # Unix seconds
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFrame:
    """Further text of the answer."""

    sequence_number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndFrame:
    """The last frame of every stream."""

    sequence_number: int
    status: Status
    fault: Fault | None


Frame = EventFrame | TokenFrame | EndFrame


class Progress:
    """What a reader has seen: every connection begins with the job's first event again."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.events = 0
        self.ended = False

    def news_of(self, frames: Iterator[dict[str, Any]]) -> Iterator[Frame]:
        """The frames of one connection that were not seen on an earlier one. Raises RuntimeError without an end."""
        known = self.events
        for raw in frames:
            frame = _typed(raw)
            if isinstance(frame, EventFrame):
                known -= 1
                if known >= 0:
                    continue
                self.events += 1
            else:
                self.sequence = frame.sequence_number
                self.ended = isinstance(frame, EndFrame)
            yield frame
        if not self.ended:
            raise RuntimeError("the stream broke off")


def _typed(raw: dict[str, Any]) -> Frame:
    match raw["type"]:
        case "event":
            event = raw["event"]
            return EventFrame(**{name: event[name] for name in EventFrame.__slots__})
        case "token":
            return TokenFrame(sequence_number=raw["sequence_number"], text=raw["text"])
        case _:
            fault = Fault(**raw["error"]) if raw["error"] else None
            return EndFrame(sequence_number=raw["sequence_number"], status=Status(raw["status"]), fault=fault)
