"""A worker's heart: long polls of the journal that keep its lease and bring revocations.

In production it beats in a thread of its own, because tokenising or prefill may stall the event loop; a simulation
brings one that beats on its own loop.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from actors.journal.protocol import Heartbeat
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
HEARTBEAT_S = 4.0  # how long the journal holds one heartbeat
SHARDED_HEARTBEAT_S = 1.0  # where its answer also says what waits at the shard
FAILED_PAUSE_S = 1.0
UNKNOWN_PAUSE_S = 0.5  # until the registration is through


def heartbeat_s(shards: int) -> float:
    """How long a shard holds one heartbeat."""
    return HEARTBEAT_S if shards == 1 else SHARDED_HEARTBEAT_S


class Heart(Protocol):
    """Beats for one worker."""

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        """Begin to beat; `take_in` gets each answer, on the event loop that is running now."""

    def stop(self) -> None:
        """Beat no more. What the journal answers from now on is nobody's concern."""


class ThreadHeart:
    """Beats in a daemon thread. `beat` is a blocking call of the journal's heartbeat, safe to use from a thread."""

    def __init__(self, beat: Callable[[str, float], Heartbeat], *, ports: Ports, wait_s: float = HEARTBEAT_S) -> None:
        self._beat = beat
        self._wait_s = wait_s
        self._ports = ports
        self._stopped = threading.Event()

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        """Begin to beat."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, args=[worker_id, take_in, loop], name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()

    def _run(self, worker_id: str, take_in: Callable[[Heartbeat], None], loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopped.is_set():
            try:
                heartbeat = self._beat(worker_id, self._wait_s)
            except Exception:
                if self._stopped.is_set():
                    return
                log.exception("heartbeat failed", extra={"worker": worker_id})
                self._ports.metrics.count("loop_failures", loop="heartbeat")
                self._stopped.wait(FAILED_PAUSE_S)
                continue
            try:
                loop.call_soon_threadsafe(take_in, heartbeat)
            except RuntimeError:  # the loop has closed meanwhile
                return
            if not heartbeat.known:
                self._stopped.wait(UNKNOWN_PAUSE_S)
