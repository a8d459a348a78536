"""Runs the monolith: one process, uvicorn, no Ray."""

from collections.abc import Callable
from typing import Any

import uvicorn

from configs.settings import MonolithSettings
from deployments.app import Monolith

STREAMS_END_S = 2  # open streams are cut then; their readers resume from the log


async def serve_monolith(document: dict[str, Any], ready: Callable[[], None]) -> None:
    """Serve until a signal comes, and raise it again; calls `ready` when jobs are accepted."""
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
            timeout_graceful_shutdown=STREAMS_END_S,
        )
        await _Http(config, ready).serve()
    finally:
        await monolith.stop()


class _Http(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, *args: Any, **options: Any) -> None:
        await super().startup(*args, **options)
        self._ready()
