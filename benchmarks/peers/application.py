"""A peer's part of a Serve config."""

from typing import Any

OPEN_REQUESTS = 10_000  # what the platform's own ingress has


def application(module: str, route_prefix: str, **args: float | str) -> dict[str, Any]:
    """The application that a module here builds."""
    return {
        "name": module,
        "route_prefix": route_prefix,
        "import_path": f"benchmarks.peers.{module}:build",
        "args": {**args, "max_ongoing_requests": OPEN_REQUESTS},
    }
