"""The one way to run a background loop: an exception is logged and counted, and the loop goes on."""

import logging
from collections.abc import Awaitable, Callable

from pipelines.ports import Ports, Task

log = logging.getLogger("heliograph")
PAUSE_S = 0.5  # after a failure, so that a permanent fault does not spin


def supervise(turn: Callable[[], Awaitable[None]], *, name: str, ports: Ports) -> Task:
    """Call `turn` for ever, one call after another."""

    async def loop() -> None:
        while True:
            try:
                await turn()
            except Exception:
                log.exception("loop failed", extra={"loop": name})
                ports.metrics.count("loop_failures", loop=name)
                await ports.sleep(PAUSE_S)

    return ports.spawn(loop(), name)
