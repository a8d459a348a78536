"""A Ray of our own on this machine, which lives exactly as long as this process.

Ray's daemons are told by the kernel to end when the thread that started them does, so start it on the main thread.
What their workers have started in turn (vLLM's engine core, HAProxy) is adopted here when they die, and ended too.
"""

import ctypes
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from heliograph import lean_serve  # noqa: F401 - so that this process has no pandas either

ATTEMPTS = 3
logger = logging.getLogger(__name__)

END_S = 5.0  # for the last processes to go
_SET_CHILD_SUBREAPER = 36  # of prctl(2)

# Whatever is set in the environment wins.
_DEFAULTS = {
    "RAY_AUTH_MODE": "token",  # else everybody on this machine could run code as this user
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_events_report_interval_ms": "0",  # one for each call of an actor, of which there are thousands a second
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",  # Serve kills a proxy that takes longer than this
    # What Serve does whether or not anybody asks for anything, and Ray's agent for all that is counted.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",  # each turn looks at all applications; Serve's own is 0.1
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "1000",  # in each replica; Serve's own is 100
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # a line about each request, read in Python; replicas count them as well
    "RAY_preload_python_modules": "heliograph.lean_serve",  # in each worker
    "RAY_worker_niceness": "0",  # Ray's 15 is meant for batch work; whatever else runs here would starve a server
}


@contextmanager
def local_ray(environment: Mapping[str, str], *, dashboard: bool) -> Iterator[str]:
    """Start Ray with these variables in all its processes, and stop it. Gives the dashboard's URL.

    Must be the first to import ray, which reads its variables then.
    """
    prepare(environment)
    import ray  # noqa: PLC0415 - see above

    try:
        url = f"http://{_start(ray, dashboard=dashboard).dashboard_url}"
        # It reads all logs for drivers that print them, which is switched off below, and takes memory and time.
        ray._private.worker._global_node.kill_log_monitor(check_alive=False)  # noqa: SLF001 - Ray has no option for it
        yield url
    finally:
        ray.shutdown()
        end_descendants()


def prepare(environment: Mapping[str, str]) -> None:
    """Set the variables that Ray's processes need, and become the parent of descendants whose parents die (Linux)."""
    os.environ.update(environment)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _start(ray: Any, *, dashboard: bool) -> Any:
    """Start Ray. It gives its daemons 30 s, which a busy machine may miss, so this is tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ray.init(
                address="local",
                _node_ip_address="127.0.0.1",  # else Ray's own ports are open to the network
                include_dashboard=dashboard,
                dashboard_host="127.0.0.1",
                log_to_driver=False,
                logging_level="warning",
            )
        except Exception:  # Ray has no narrower one for this
            if attempt == ATTEMPTS:
                raise
            logger.warning("Ray did not start in time; trying again")
            ray.shutdown()
            end_descendants()
    raise AssertionError  # the loop returns or raises


def end_descendants() -> None:
    """Kill every process below this one, and wait until they are gone; again for those that came meanwhile."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline and (descendants := psutil.Process().children(recursive=True)):
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=END_S)
