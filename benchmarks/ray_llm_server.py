"""`ray.serve.llm` as it comes.

Usage: `python -m benchmarks.ray_llm_server MODEL PORT`. Prints `ready` when it serves `/ray-llm`. Ends by SIGTERM.
"""

import sys
from typing import Any

from benchmarks.lone_serve import serve_alone
from benchmarks.peers.application import OPEN_REQUESTS

ROUTE = "/ray-llm"


def _ray_llm() -> Any:
    from benchmarks.peers.ray_llm import Args, build  # noqa: PLC0415 - it imports ray

    return build(Args(model=sys.argv[1], max_ongoing_requests=OPEN_REQUESTS))


if __name__ == "__main__":
    serve_alone(_ray_llm, route=ROUTE, port=int(sys.argv[2]), dashboard=False)
