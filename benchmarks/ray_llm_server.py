"""`ray.serve.llm` as it comes: on a Ray of its own, behind Serve's own proxy, which is Ray's default.

Usage: `python -m benchmarks.ray_llm_server MODEL PORT`. Prints `ready` when it serves `/ray-llm`. Ends by SIGTERM.
"""

import signal
import sys

from benchmarks.peers.application import OPEN_REQUESTS
from heliograph.local_ray import local_ray

NAME, ROUTE = "ray_llm", "/ray-llm"
END = {signal.SIGINT, signal.SIGTERM}


def main() -> None:
    """Serve until a signal comes."""
    model, port = sys.argv[1], int(sys.argv[2])
    with local_ray({}, dashboard=False):
        from ray import serve  # noqa: PLC0415 - `local_ray` is to import ray first

        from benchmarks.peers.ray_llm import Args, build  # noqa: PLC0415 - likewise

        serve.start(http_options={"host": "127.0.0.1", "port": port})
        args = Args(model=model, max_ongoing_requests=OPEN_REQUESTS)
        serve.run(build(args), name=NAME, route_prefix=ROUTE)
        signal.pthread_sigmask(signal.SIG_BLOCK, END)
        print("ready", flush=True)
        signal.sigwait(END)
        serve.shutdown()


if __name__ == "__main__":
    main()
