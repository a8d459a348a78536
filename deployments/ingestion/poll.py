"""One session of long polls on a shared log, for all readers of this process.

A long poll is always under way while anything is followed; what is new to follow goes in a short call beside it.
What the log knows of the session is only a hint: after every failure, and every `REFRESH_S` anyway, everything
is followed again from the readers' own cursors. So a restarted log, a lost answer or a forgotten session costs a
pause, and never a reader. Answers may therefore repeat, or come in another order; readers take care of that.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from actors.supervision import supervise
from pipelines.ports import Ports, Task

WAIT_S = 5.0
REFRESH_S = 5.0
N = TypeVar("N")
Follow = Callable[[str, dict[str, int], list[str], float], Awaitable[dict[str, N]]]


class Poll(Generic[N]):
    """Follows jobs. `cursor` says from where on, None for a job that nobody reads; `deliver` gets the news."""

    def __init__(
        self,
        follow: Follow[N],
        *,
        cursor: Callable[[str], int | None],
        deliver: Callable[[str, N], None],
        name: str,
        ports: Ports,
    ) -> None:
        self._follow = follow
        self._cursor = cursor
        self._deliver = deliver
        self._name = name
        self._ports = ports
        self._session = ports.ids.new("read")
        self._keys: dict[str, None] = {}
        self._add: dict[str, None] = {}  # in order, so that a run can be repeated
        self._remove: dict[str, None] = {}
        self._refreshed = -math.inf
        self._followed = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: list[Task] = []

    def add(self, job_id: str) -> None:
        """Follow a job, or follow it again from where its readers are now."""
        if not self._tasks:
            self._tasks = [
                supervise(self._poll, name=f"{self._name}_poll", ports=self._ports),
                supervise(self._change, name=f"{self._name}_change", ports=self._ports),
            ]
        self._keys[job_id] = self._add[job_id] = None
        self._remove.pop(job_id, None)
        self._followed.set()
        self._changed.set()

    def remove(self, job_id: str) -> None:
        """Follow it no more. The log hears of it with the next call."""
        self._keys.pop(job_id, None)
        self._add.pop(job_id, None)
        self._remove[job_id] = None
        if not self._keys:
            self._followed.clear()

    async def close(self) -> None:
        """End the loops."""
        for task in self._tasks:
            task.cancel()

    async def _poll(self) -> None:
        await self._followed.wait()
        if self._ports.clock.monotonic() - self._refreshed > REFRESH_S:
            self._add.update(self._keys)
            self._refreshed = self._ports.clock.monotonic()
        await self._call(WAIT_S)

    async def _change(self) -> None:
        await self._changed.wait()
        self._changed.clear()
        if self._add:
            await self._call(0)

    async def _call(self, wait_s: float) -> None:
        add = {job_id: cursor for job_id in self._add if (cursor := self._cursor(job_id)) is not None}
        remove = list(self._remove)
        self._add.clear()
        self._remove.clear()
        try:
            news = await self._follow(self._session, add, remove, wait_s)
        except Exception:
            self._refreshed = -math.inf
            raise
        for job_id, item in news.items():
            self._deliver(job_id, item)
