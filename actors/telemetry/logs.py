"""Logs: JSON, one object a line, on standard error. Never a prompt: only the fields named here are written.

The code logs as usual, on the logger `heliograph` with `extra={...}`. The state changes of a whole commit are one call
(`log_changes`) and still one line each.
"""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

LOGGER = "heliograph"
FIELDS = (
    "job",
    "jobs",
    "rows",
    "step",
    "attempt",
    "trace",
    "fence",
    "session",
    "worker",
    "topic",
    "model",
    "loop",
    "error",
    "request_id",
    "client_request_id",
    "file",
    "path",
)

log = logging.getLogger(LOGGER)


class StateChange(NamedTuple):
    """One event of a job: its type, and the step and attempt in which it happened. Routine is told of only by DEBUG."""

    event: str
    job: str
    step: str
    attempt: int
    traceparent: str
    routine: bool = False


def log_changes(changes: Iterable[StateChange]) -> None:
    """One line per change."""
    if log.isEnabledFor(logging.INFO):
        in_full = log.isEnabledFor(logging.DEBUG)
        listed = [change for change in changes if in_full or not change.routine]
        if listed:
            log.info("%d state changes", len(listed), extra={"changes": listed})


def configure_logging(*, service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the project's logs to `stream` (standard error) as JSON lines. A second call replaces the first."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(service))
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False  # a handler on the root, such as the command line's, would print everything twice


class JsonLines(logging.Formatter):
    """A record as one JSON object, or as one for each of its state changes."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines, without the last line's end."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time, "level": record.levelname, "service": self._service}
        changes: list[StateChange] | None = record.__dict__.get("changes")
        if changes is not None:
            start = json.dumps(head)[:-1]
            return "\n".join(start + _rest_of(change) for change in changes)
        line = head | {"message": record.getMessage()}
        line |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _rest_of(change: StateChange) -> str:
    """One of these per job at least, by hand: a quarter of `json.dumps`'s time. Our ids and names need no escaping."""
    event, job, step, attempt, traceparent, _ = change
    trace = traceparent[3:35]
    return f', "message": "{event}", "job": "{job}", "step": "{step}", "attempt": {attempt}, "trace": "{trace}"}}'
