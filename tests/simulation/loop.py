"""An event loop without a machine: virtual time, no selector, and processes that can die.

A handle belongs to the process in whose context it was scheduled. Handles of one process run in asyncio's order;
which process goes first is the seed's choice. The handles of a dead process are dropped, so none of its tasks is ever
resumed, and no `finally` of it runs while the seed lasts.
"""

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from contextvars import Context, ContextVar
from random import Random
from typing import Any, Protocol

EXECUTOR_S = 0.001


class Mortal(Protocol):
    """What a handle may belong to."""

    alive: bool
    frozen: bool
    backlog: list[asyncio.Handle]  # what waits for the thaw


class ProcessDiedError(BaseException):
    """Raised where a process ends itself, so that the code that did it goes no further."""


OWNER: ContextVar[Mortal | None] = ContextVar("OWNER", default=None)


class QuietError(RuntimeError):
    """Nothing is ready and no timer runs: everybody waits for somebody."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one seed."""

    _ready: Any
    _scheduled: Any

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._virtual = 0.0
        self._chance = random
        self._everyone: list[asyncio.Task[Any]] = []  # asyncio keeps weak references; what died must not be collected
        self.set_exception_handler(lambda _loop, _context: None)  # the checker judges what came of it

    def time(self) -> float:
        return self._virtual

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **options)
        self._everyone.append(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """On this loop, a little later."""
        del executor
        future = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - the caller gets it
                _settle(future, error=error)
            else:
                _settle(future, result)

        self.call_later(EXECUTOR_S, run)
        return future

    def at(self, delay: float, call: Callable[..., Any], *args: Any, owner: Context) -> None:
        """Call in another process."""
        self.call_later(delay, call, *args, context=owner)

    def thaw(self, process: Mortal) -> None:
        """A frozen process goes on where it stood."""
        process.frozen = False
        self._ready.extend(process.backlog)
        process.backlog.clear()

    def bury(self) -> None:
        """End the world: coroutines are closed where they stand, and nothing that they do has an effect."""
        self.close()
        for task in self._everyone:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(Exception, ProcessDiedError):
                    task.get_coro().close()
        self._everyone.clear()

    def _run_once(self) -> None:
        if not self._ready:
            self._jump()
        batches: dict[Mortal | None, list[asyncio.Handle]] = {}
        while self._ready:
            handle = self._ready.popleft()
            batches.setdefault(handle._context.get(OWNER), []).append(handle)
        if len(batches) > 1:
            order = list(batches)
            self._chance.shuffle(order)
            batches = {owner: batches[owner] for owner in order}
        for owner, handles in batches.items():
            _run(owner, handles)

    def _jump(self) -> None:
        """To the moment of the next timer."""
        while self._scheduled:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            owner = timer._context.get(OWNER)
            if timer._cancelled or (owner is not None and not owner.alive):
                continue
            self._virtual = max(self._virtual, timer._when)
            self._ready.append(timer)
            return
        raise QuietError

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""


def _run(owner: Mortal | None, handles: list[asyncio.Handle]) -> None:
    for handle in handles:
        if owner is not None:
            if not owner.alive:
                return
            if owner.frozen:
                owner.backlog.append(handle)
                continue
        if not handle._cancelled:
            handle._run()


def _settle(future: asyncio.Future[Any], result: Any = None, *, error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
