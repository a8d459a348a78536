"""How a replica leaves: it takes nothing more as soon as Serve stops it, ends what it can, and then goes.

Serve tells user code by `__del__` alone, when the last request has ended; a pull loop would claim until then. That it
has begun to stop a replica, the replica's own actor knows. Where a version of Serve does not show it any more, a
replica leaves when `__del__` comes.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import ray
from ray.experimental.internal_kv import _internal_kv_get

from configs.settings import ServiceSettings

log = logging.getLogger("heliograph")
SMALL = {"num_cpus": 0.05}
LOOK_S = 0.2
MARGIN_S = 5.0  # from the end of a drain until Serve kills
HASTE = b"heliograph:haste"  # a key of Ray's internal store; set where everything ends, and nobody goes on


class Departure:
    """Of one replica. `leave` is awaited once: with the seconds in which things may end, and the end of requests."""

    def __init__(self, leave: Callable[[float, asyncio.Event], Awaitable[None]], *, drain_s: float) -> None:
        self._leave = leave
        self._drain_s = drain_s
        self._served = asyncio.Event()
        # A task of a request, whose context this would be else, ends with the request.
        self._task = asyncio.create_task(self._run(), context=contextvars.Context())

    async def complete(self) -> None:
        """Returns when the replica has left; for `__del__`."""
        self._served.set()
        await self._task

    async def _run(self) -> None:
        while not (self._served.is_set() or stopping()):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._served.wait(), LOOK_S)
        hasty = await asyncio.to_thread(_internal_kv_get, HASTE)
        try:
            await self._leave(0.0 if hasty else self._drain_s, self._served)
        except Exception:
            log.exception("a replica could not leave in order")


def stopping() -> bool:
    """Whether Serve has begun to stop the replica that asks."""
    worker = ray._private.worker.global_worker  # noqa: SLF001 - see above
    actor = worker.actors.get(worker.actor_id)
    return bool(getattr(getattr(actor, "_replica_impl", None), "_shutting_down", False))


def leaving_options(settings: ServiceSettings) -> dict[str, Any]:
    """Serve's options that give a replica the time which its settings do."""
    return {
        "graceful_shutdown_timeout_s": settings.drain_s + MARGIN_S,
        "graceful_shutdown_wait_loop_s": LOOK_S,
    }


def small_service(settings: ServiceSettings) -> dict[str, Any]:
    """The same for a service that is small, so that a new version can be there before the old one leaves."""
    return {"ray_actor_options": SMALL, "max_surge_percent": 100, **leaving_options(settings)}
