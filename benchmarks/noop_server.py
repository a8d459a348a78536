"""An application of Serve's that does nothing, on a Ray of its own behind Serve's own proxy.

Usage: `python -m benchmarks.noop_server PORT`. Prints `ready` when it answers. Ends by SIGTERM.
"""

import signal
import sys

from benchmarks.peers.application import OPEN_REQUESTS
from heliograph.local_ray import local_ray

END = {signal.SIGINT, signal.SIGTERM}


def main() -> None:
    """Serve until a signal comes."""
    with local_ray({}, dashboard=True):
        from ray import serve  # noqa: PLC0415 - `local_ray` is to import ray first

        from benchmarks.peers.constant import Args, build  # noqa: PLC0415 - likewise

        serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
        serve.run(build(Args(max_ongoing_requests=OPEN_REQUESTS)), name="constant", route_prefix="/constant")
        signal.pthread_sigmask(signal.SIG_BLOCK, END)
        print("ready", flush=True)
        signal.sigwait(END)
        serve.shutdown()


if __name__ == "__main__":
    main()
