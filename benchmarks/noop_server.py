"""An application of Serve's that does nothing.

Usage: `python -m benchmarks.noop_server PORT`. Prints `ready` when it answers. Ends by SIGTERM.
"""

import sys
from typing import Any

from benchmarks.lone_serve import serve_alone
from benchmarks.peers.application import OPEN_REQUESTS


def _constant() -> Any:
    from benchmarks.peers.constant import Args, build  # noqa: PLC0415 - it imports ray

    return build(Args(max_ongoing_requests=OPEN_REQUESTS))


if __name__ == "__main__":
    serve_alone(_constant, route="/constant", port=int(sys.argv[1]), dashboard=True)
