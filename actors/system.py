"""The real ports: the machine's clocks, its randomness, asyncio's tasks."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from events.ids import ENTROPY_BYTES, make_id
from pipelines.ports import Metrics, Ports, Task, Tracer

_IDS_PER_READ = 256
_entropy: list[bytes] = []  # of this process; one id's bytes each
os.register_at_fork(after_in_child=_entropy.clear)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment of this boot."""
        return time.monotonic()


class RandomIds:
    """Ids of this moment; the 80 random bits keep any two apart.

    The kernel is asked for many bytes at once: each question gives up the interpreter's lock, which costs more under
    load than all the rest. Any thread may ask for ids, and a forked child begins with bytes of its own.
    """

    def new(self, prefix: str, shard: int = 0) -> str:
        """An id that no one else has."""
        try:
            entropy = _entropy.pop()
        except IndexError:
            entropy = _refill()
        return make_id(prefix, shard=shard, milliseconds=time.time_ns() // 1_000_000, entropy=entropy)


def _refill() -> bytes:
    """Put many ids' bytes into stock; the bytes of one more."""
    block = os.urandom(ENTROPY_BYTES * _IDS_PER_READ)
    first, *others = (block[i : i + ENTROPY_BYTES] for i in range(0, len(block), ENTROPY_BYTES))
    _entropy.extend(others)
    return first


class NoMetrics:
    """Where nobody measures."""

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def level(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""


class NoTracer:
    """Where nobody traces."""

    enabled = False

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
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def real_ports(*, metrics: Metrics | None = None, tracer: Tracer | None = None) -> Ports:
    """The ports of a production process. Each call brings its own thread for blocking work."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="heliograph-blocking")

    def run_blocking(work: Callable[[], Any]) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(thread, work)

    return Ports(
        clock=SystemClock(),
        ids=RandomIds(),
        random=random.Random(),  # noqa: S311 - jitter, no secrets
        sleep=asyncio.sleep,
        spawn=_spawn,
        metrics=metrics or NoMetrics(),
        tracer=tracer or NoTracer(),
        run_blocking=run_blocking,
    )


_tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references


def _spawn(coroutine: Coroutine[Any, Any, None], name: str) -> Task:
    task = asyncio.create_task(coroutine, name=name)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task
