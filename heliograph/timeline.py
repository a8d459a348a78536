"""Shows a job as it happens: its events with the time since the submit and the time spent waiting, and its tokens."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape

from heliograph.frames import EndFrame, EventFrame, Frame, TokenFrame
from pipelines.jobs import Status

_STYLES = {
    Status.COMPLETED: "green",
    Status.INCOMPLETE: "yellow",
    Status.FAILED: "red",
    Status.CANCELLED: "yellow",
}


class Timeline:
    """What was shown of one job. Text of the answer goes out as it comes; every event has a line of its own."""

    def __init__(self, console: Console) -> None:
        self.text = ""
        self.end: EndFrame | None = None
        self.output_tokens = 0
        self.waited_s = 0.0
        self._console = console
        self._times: dict[str, float] = {}  # event type: Unix seconds
        self._line_is_open = False

    def follow(self, frames: Iterable[Frame]) -> EndFrame:
        """Show the frames up to and with the end."""
        for frame in frames:
            self.show(frame)
        assert self.end is not None  # noqa: S101 - every stream ends with one
        return self.end

    def show(self, frame: Frame) -> None:
        """Show one frame."""
        match frame:
            case EventFrame():
                self._show_event(frame)
            case TokenFrame(text=text):
                self.text += text
                self._console.out(text, end="", highlight=False)
                self._line_is_open = True
            case EndFrame():
                self.end = frame
                self._close_line()
                self._console.print(self._summary(frame))

    @property
    def tokens_per_second(self) -> float:
        """Of the inference alone; 0 where there was none."""
        start, end = self._times.get("InferenceStarted", 0), self._times.get("InferenceCompleted", 0)
        return self.output_tokens / (end - start) if end > start > 0 else 0

    def _show_event(self, event: EventFrame) -> None:
        self._close_line()
        self._times[event.type] = event.created_at
        self.waited_s += event.data.get("waited_us", 0) / 1e6
        if event.type == "InferenceCompleted":
            self.output_tokens = event.data["usage"]["output_tokens"]
        since = event.created_at - next(iter(self._times.values()))
        details = " · ".join(event_details(event.type, event.attempt, event.data))
        kind = f"{event.type:<20}" if details else event.type
        self._console.print(f"[dim]{since:8.3f} s[/]  [cyan]{kind}[/]{escape(details)}")

    def _close_line(self) -> None:
        if self._line_is_open:
            self._console.print()
            self._line_is_open = False

    def _summary(self, end: EndFrame) -> str:
        parts = [f"[bold {_STYLES[end.status]}]{end.status}[/]"]
        if end.fault is not None:
            parts.append(escape(f"{end.fault.message} ({end.fault.code})"))
        if self.output_tokens:
            parts.append(f"{self.output_tokens} tokens")
        if self.tokens_per_second:
            parts.append(f"{self.tokens_per_second:.1f} tokens/s")
        parts.append(f"waited {self.waited_s * 1000:.0f} ms in queues")
        return " · ".join(parts)


def event_details(kind: str, attempt: int, data: dict[str, Any]) -> Iterator[str]:
    """What is worth a look in an event."""
    if "waited_us" in data:
        yield f"waited {data['waited_us'] / 1000:.0f} ms"
    if attempt > 1:
        yield f"attempt {attempt}"
    if "input_tokens" in data:
        yield f"{data['input_tokens']} tokens in"
    if kind == "InferenceCompleted":
        yield f"{data['usage']['output_tokens']} tokens out"
        yield data["finish_reason"]
    if "error" in data:
        yield f"{data['error']['message']} ({data['error']['code']})"
    if "reason" in data:
        yield data["reason"]
