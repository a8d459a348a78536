"""An event loop without a machine: virtual time, no selector, and processes that can die.

A handle belongs to the process in whose context it was scheduled. Handles of one process run in asyncio's order;
which process goes first is the seed's choice. The handles of a dead process are dropped, so none of its tasks is ever
resumed, and no `finally` of it runs while the seed lasts.
"""

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, Protocol

EXECUTOR_S = 0.001
_MANY_TASKS = 100
Call = Callable[..., Any]


class Mortal(Protocol):
    """What a handle may belong to."""

    alive: bool
    frozen: bool
    backlog: list["Handle"]  # what waits for the thaw


class ProcessDiedError(BaseException):
    """Raised where a process ends itself, so that the code that did it goes no further."""


OWNER: ContextVar[Mortal | None] = ContextVar("OWNER", default=None)


class QuietError(RuntimeError):
    """Nothing is ready and no timer runs: everybody waits for somebody."""


class Handle:
    """A call that is due. asyncio's own does more than a simulation needs, at twice the price."""

    __slots__ = ("_args", "_call", "_context", "_when", "cancelled", "owner")

    def __init__(self, call: Call, args: tuple[Any, ...], context: Context, when: float = 0.0) -> None:
        self._call = call
        self._args = args
        self._context = context
        self._when = when
        self.owner = context.get(OWNER)
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        try:  # noqa: SIM105 - `suppress` costs more
            self._context.run(self._call, *self._args)
        except (Exception, ProcessDiedError):  # noqa: BLE001, S110 - the checker judges what came of it
            pass


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one seed."""

    _ready: deque[Handle]
    _stopping: bool
    _scheduled: list[tuple[float, int, Handle]]

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._virtual = 0.0
        self._chance = random
        self._timers = 0  # made so far; timers of one moment go in their order
        self._everyone: list[asyncio.Task[Any]] = []  # asyncio keeps weak references; what died must not be collected
        self._look_over_at = _MANY_TASKS
        self.set_exception_handler(lambda _loop, _context: None)  # the checker judges what came of it

    def time(self) -> float:
        return self._virtual

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._everyone.append(task)
        if len(self._everyone) > self._look_over_at:
            self._everyone = [task for task in self._everyone if not task.done()]
            self._look_over_at = _MANY_TASKS + 2 * len(self._everyone)
        return task

    def call_soon(self, callback: Call, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        handle = Handle(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Call, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        """There is one thread. An asynchronous generator that nobody closed comes here."""
        return self.call_soon(callback, *args, context=context)

    def call_later(self, delay: float, callback: Call, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        return self.call_at(self._virtual + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Call, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        handle = Handle(callback, args, copy_context() if context is None else context, when)
        self._timers += 1
        heapq.heappush(self._scheduled, (when, self._timers, handle))
        return handle

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """On this loop, a little later."""
        del executor
        future = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - the caller gets it
                settle(future, error=error)
            else:
                settle(future, result)

        self.call_later(EXECUTOR_S, run)
        return future

    def at(self, delay: float, call: Call, *args: Any, owner: Context) -> None:
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
        ready = self._ready
        while not self._stopping:
            if not ready:
                _run(self._jump())
            elif len(ready) == 1:  # nearly always
                _run(ready.popleft())
            else:
                self._run_all()

    def _run_all(self) -> None:
        batches: dict[Mortal | None, list[Handle]] = {}
        while self._ready:
            handle = self._ready.popleft()
            batches.setdefault(handle.owner, []).append(handle)
        order = list(batches)
        if len(order) > 1:
            self._chance.shuffle(order)
        for owner in order:
            for handle in batches[owner]:
                _run(handle)

    def _jump(self) -> Handle:
        """To the moment of the next timer."""
        while self._scheduled:
            when, _, timer = heapq.heappop(self._scheduled)
            if timer.cancelled or (timer.owner is not None and not timer.owner.alive):
                continue
            self._virtual = max(self._virtual, when)
            return timer
        raise QuietError

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""


def _run(handle: Handle) -> None:
    owner = handle.owner
    if owner is not None:
        if not owner.alive:
            return
        if owner.frozen:
            owner.backlog.append(handle)
            return
    if not handle.cancelled:
        handle.run()


def settle(future: asyncio.Future[Any], result: Any = None, *, error: Exception | None = None) -> None:
    """Answer a future that may have gone."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
