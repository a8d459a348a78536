"""Runs the monolith: one process, uvicorn, no Ray."""

from collections.abc import Callable
from typing import Any

import uvicorn

from actors.garbage import collect_seldom
from configs.settings import MonolithSettings
from deployments.monolith import Monolith

REPLIES_END_S = 2  # what is not answered then is cut


async def serve_monolith(document: dict[str, Any], ready: Callable[[], None]) -> None:
    """Serve until a signal comes, and raise it again; calls `ready` when jobs are accepted."""
    collect_seldom()
    settings = MonolithSettings.model_validate(document)
    monolith = Monolith(settings)
    try:
        await monolith.start()
        config = uvicorn.Config(
            monolith.app,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=REPLIES_END_S,
        )
        await HttpServer(config, ready=ready, drain=monolith.drain).serve()
    finally:
        await monolith.stop()


class HttpServer(uvicorn.Server):
    """Says when it listens, and before it ends: `drain` cuts the streams, whose readers resume from the log."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], None], drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._drain = drain

    async def startup(self, *args: Any, **options: Any) -> None:
        """Listen, and say so."""
        await super().startup(*args, **options)
        self._ready()

    async def shutdown(self, *args: Any, **options: Any) -> None:
        """Cut the streams, then wait for the other replies."""
        self._drain()
        await super().shutdown(*args, **options)
