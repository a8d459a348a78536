"""How many replicas there should be: plain arithmetic on what the journal and Serve say.

Invariants: all that is claimed or direct has a slot; what waits is done within the target time; the number falls only
when nothing has asked for more for a while; replicas that crash at their start are at most one.
"""

import math
from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

from actors.journal.protocol import Depth

MEMORY_S = 300.0  # of the time in which there was work
_SLACK = 1e-9  # of sums of fractions


class Pace:
    """How long a step of a topic takes: by Little's law, the time that claims were held, by how many of them ended."""

    def __init__(self) -> None:
        self._last: tuple[float, Depth] | None = None
        self._held_s = 0.0
        self._finished = 0.0

    def hear(self, depth: Depth, now: float) -> None:
        """What the journal says at a monotonic time."""
        last, self._last = self._last, (now, depth)
        if last is None or depth.finished < last[1].finished:  # a journal that has started anew counts from zero
            return
        span_s, finished = now - last[0], depth.finished - last[1].finished
        held_s = span_s * (depth.claimed + last[1].claimed) / 2
        if held_s or finished:
            kept = math.exp(-span_s / MEMORY_S)
            self._held_s = self._held_s * kept + held_s
            self._finished = self._finished * kept + finished

    @property
    def step_s(self) -> float | None:
        """Seconds from claim to outcome; None before any has come to one."""
        return self._held_s / self._finished if self._finished else None


class Work(NamedTuple):
    """What is to be done of one topic. `slots` are those of one replica for it."""

    depth: Depth
    slots: int
    step_s: float | None

    @property
    def held(self) -> float:
        """Replicas that its claims fill."""
        return self.depth.claimed / self.slots

    def timed(self, backlog_s: float) -> float:
        """Replicas by which all of it is done in so many seconds; never more than have something to do at once."""
        share = 1.0 if self.step_s is None else min(1.0, self.step_s / backlog_s)
        return (self.depth.ready + self.depth.claimed) / self.slots * share


def needed_replicas(works: Sequence[Work], *, direct: float, backlog_s: float) -> int:
    """Replicas for work and for direct requests, which fill `direct` replicas.

    One at least where there is something to do: steps that end between two polls seem to take no time at all.
    """
    held = sum(work.held for work in works)
    timed = sum(work.timed(backlog_s) for work in works)
    something = any(work.depth.ready > 0 or work.depth.claimed > 0 for work in works)
    return max(math.ceil(max(held, timed, 0.0) + direct - _SLACK), int(something))


class Governor:
    """From what is needed now to the target: up at once, down when nothing has needed more for `down_s` seconds.

    Serve stops the newest replicas first, whatever they do, so a surplus stays while one that would go holds claims;
    but not for longer than `finish_s`: a few jobs that are always there could keep any number of replicas.
    """

    def __init__(self, *, down_s: float, finish_s: float) -> None:
        self._down_s = down_s
        self._finish_s = finish_s
        self._needs: deque[tuple[float, int]] = deque()  # the highest in time, each lower than the one before
        self._surplus_since: float | None = None

    def forget(self) -> None:
        """What was needed is not known for a while: the next target starts from the present one."""
        self._needs.clear()

    def target(
        self, need: int, *, target: int, running: Sequence[str], holders: Collection[str], failing: bool, now: float
    ) -> int:
        """The next target. `running` are the ids of replicas, oldest first; `failing`: their starts crash.

        Serve gives up a deployment none of whose replicas starts, until it was at zero.
        """
        steady = self._steady(need, target, now)
        if failing:
            return min(steady, len(running) + 1) if running else 0
        if steady >= target:
            self._surplus_since = None
            return steady
        if self._surplus_since is None:
            self._surplus_since = now
        busy = _newest(running, holders) if now - self._surplus_since < self._finish_s else 0
        return max(steady, min(busy, target))

    def _steady(self, need: int, target: int, now: float) -> int:
        if not self._needs:
            self._needs.append((now, target))
        while self._needs and self._needs[-1][1] <= need:
            self._needs.pop()
        self._needs.append((now, need))
        while self._needs[0][0] < now - self._down_s:
            self._needs.popleft()
        return self._needs[0][1]


def _newest(running: Sequence[str], holders: Collection[str]) -> int:
    """So many of the oldest replicas end with the newest one that holds something."""
    return max((place for place, replica in enumerate(running, 1) if replica in holders), default=0)
