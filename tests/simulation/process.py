"""A simulated process: its own tasks, ports, clock and thread. Its death is silent: nothing of it runs any more."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any

from actors.system import NoMetrics, NoTracer
from events.ids import ENTROPY_BYTES, make_id
from pipelines.ports import Ports
from tests.simulation.loop import OWNER, Handle, VirtualLoop, settle

BIRTH = 1_800_000_000.0  # Unix time when a world begins
SHORTEST_S, LONGEST_WORK_S, LONGEST_SYNC_S = 0.0002, 0.002, 0.02


class Clock:
    """The process's clocks; `offset` is what its wall clock is wrong by."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self._loop = loop
        self._skew = random.random() * 1000
        self.offset = 0.0

    def now(self) -> float:
        return BIRTH + self._loop.time() + self.offset

    def monotonic(self) -> float:
        return self._skew + self._loop.time()


class SeededIds:
    """Ids of the virtual moment, with the seed's entropy."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def new(self, prefix: str, shard: int = 0) -> str:
        entropy = self._random.randbytes(ENTROPY_BYTES)
        return make_id(prefix, shard=shard, milliseconds=int(self._clock.now() * 1000), entropy=entropy)


class Thread:
    """The thread for blocking work. What it commits is durable only after a sync, which takes its time."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self._loop = loop
        self._random = random
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False
        self.written: list[Callable[[], None]] = []  # commits that the work has made, each as its sync
        self.slow = 1.0

    def run(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """What the work gives. As with a real thread, it goes on where nobody waits for it any more."""
        future = self._loop.create_future()
        self._waiting.append(lambda: self._pass(LONGEST_WORK_S, lambda: self._work(work, future)))
        if not self._busy:
            self._next()
        return future

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._waiting:
            self._waiting.popleft()()

    def _work(self, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self._answer(future, error=error)
            return
        syncs, self.written = self.written, []
        self._sync(syncs, future, result)

    def _sync(self, syncs: list[Callable[[], None]], future: asyncio.Future[Any], result: Any) -> None:
        if not syncs:
            self._pass(LONGEST_WORK_S, lambda: self._answer(future, result))
            return

        def sync() -> None:
            try:
                syncs[0]()
            except Exception as error:  # noqa: BLE001 - the caller gets it
                self._answer(future, error=error)
            else:
                self._sync(syncs[1:], future, result)

        self._pass(LONGEST_SYNC_S, sync)

    def _answer(self, future: asyncio.Future[Any], result: Any = None, *, error: Exception | None = None) -> None:
        settle(future, result, error=error)
        self._next()

    def _pass(self, longest_s: float, then: Callable[[], None]) -> None:
        self._loop.call_later(self.slow * (SHORTEST_S + self._random.random() * longest_s), then)


class Process:
    """One life of a service. `served` is what it answers with, once it has started."""

    def __init__(self, name: str, loop: VirtualLoop, random: Random) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.backlog: list[Handle] = []
        self.death_known = False
        self.before_call: Callable[[str], None] = lambda _: None  # hears of what it is about to call
        self.served: Any = None
        self.loop = loop
        self.random = random
        self.context = Context()
        self.context.run(OWNER.set, self)
        self.clock = Clock(loop, random)
        self.thread = Thread(loop, random)
        self.on_death: dict[Callable[[], None], None] = {}
        self.ports = Ports(
            clock=self.clock,
            ids=SeededIds(self.clock, random),
            random=random,
            sleep=asyncio.sleep,
            spawn=self.spawn,
            metrics=NoMetrics(),
            tracer=NoTracer(),
            run_blocking=self.thread.run,
        )

    def __repr__(self) -> str:
        return self.name

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.loop.create_task(coroutine, name=name, context=self.context)

    def start(self, main: Callable[[], Awaitable[None]]) -> None:
        """Run something in this process."""

        async def run() -> None:
            await main()

        self.spawn(run(), self.name)

    def die(self) -> None:
        """From now on nothing of it runs; those who wait for it hear of it in their own time."""
        self.alive = False
        mourners, self.on_death = self.on_death, {}
        for tell in mourners:
            tell()
