"""One application of Serve's on a Ray of its own, behind Serve's own proxy, which is Ray's default."""

import signal
from collections.abc import Callable
from typing import Any

from heliograph.local_ray import local_ray

END = {signal.SIGINT, signal.SIGTERM}


def serve_alone(make: Callable[[], Any], *, route: str, port: int, dashboard: bool) -> None:
    """Print `ready` when what `make` makes answers under this route, and end by SIGTERM."""
    with local_ray({}, dashboard=dashboard):
        from ray import serve  # noqa: PLC0415 - `local_ray` is to import ray first

        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(make(), name="alone", route_prefix=route)
        signal.pthread_sigmask(signal.SIG_BLOCK, END)
        print("ready", flush=True)
        signal.sigwait(END)
        serve.shutdown()
