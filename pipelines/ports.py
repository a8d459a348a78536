"""The ports for time, chance and tasks. `actors` and `pipelines` reach these only through here.

The real ones are in `actors/system.py`; a simulation brings its own.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import Random  # noqa: TID251 - the port itself
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Two clocks, in seconds."""

    def now(self) -> float:
        """Unix time; may jump."""

    def monotonic(self) -> float:
        """Time that only moves forward; means nothing in another process."""


class Ids(Protocol):
    """Makes identifiers, see `events/ids.py`."""

    def new(self, prefix: str, shard: int = 0) -> str:
        """An id that no one else has."""


class Task(Protocol):
    """A running coroutine."""

    def cancel(self) -> bool:
        """Ask it to stop."""

    def done(self) -> bool:
        """Whether it has ended."""

    def __await__(self) -> Any: ...


class Metrics(Protocol):
    """Counts, distributions and levels by name; `actors/telemetry/table.py` has their names and units."""

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a sample to a histogram."""

    def level(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""


class Tracer(Protocol):
    """Records spans of a job's trace after the fact."""

    enabled: bool

    def span(
        self,
        name: str,
        traceparent: str,
        start: float,
        end: float,
        attributes: Mapping[str, str | int],
        *,
        root: bool = False,
    ) -> None:
        """One span, a child of the traceparent; times are Unix seconds.

        `root` is for the one span that the traceparent itself names: the first of a job whose client had no trace.
        """

    def close(self) -> None:
        """Send what waits, then stop."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What a plain class needs of the world."""

    clock: Clock
    ids: Ids
    random: Random
    sleep: Callable[[float], Awaitable[None]]
    spawn: Callable[[Coroutine[Any, Any, None], str], Task]  # the coroutine and its name
    metrics: Metrics
    tracer: Tracer
    run_blocking: Callable[[Callable[[], Any]], Awaitable[Any]]  # on one thread, in order
