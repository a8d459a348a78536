"""A Ray of its own, and a process that one of its workers has started; prints the pid of that, and waits."""

import subprocess
import sys
from threading import Event

from heliograph.local_ray import local_ray

ASLEEP = [sys.executable, "-c", "from threading import Event; Event().wait()"]


def start_another() -> int:
    """As vLLM and HAProxy are started; its pid."""
    return subprocess.Popen(ASLEEP, start_new_session=True).pid


def main() -> None:
    """Until it is killed."""
    with local_ray({}, dashboard=False):
        import ray  # noqa: PLC0415 - `local_ray` is to import ray first

        print(ray.get(ray.remote(start_another).remote()), flush=True)  # noqa: T201
        Event().wait()


if __name__ == "__main__":
    main()
