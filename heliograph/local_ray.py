"""A Ray of our own on this machine, which lives exactly as long as this process.

Ray's daemons are told by the kernel to end when the thread that started them does, so start it on the main thread.
What their workers have started in turn (vLLM's engine core, HAProxy) is adopted here when they die, and ended too.
Where one of the daemons that nothing works without ends by itself, or by a signal to all of them, so does this process.
"""

import ctypes
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from heliograph import lean_serve  # noqa: F401 - so that this process has no pandas either

ATTEMPTS = 3
logger = logging.getLogger(__name__)

END_S = 5.0  # for the last processes to go
WATCH_S = 1.0  # between looks at Ray's daemons
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
        node = ray._private.worker._global_node  # noqa: SLF001 - Ray has no option for it
        node.kill_log_monitor(check_alive=False)
        with _ending_with(node):
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


@contextmanager
def _ending_with(node: Any) -> Iterator[None]:
    """End this process by status 1, and all below it, as soon as a daemon of this node has ended.

    Ray ends it as well, but a minute later, and leaves what lies below.
    """
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(node, over), name="watch-ray", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()  # before they are told to end


def _watch(node: Any, over: threading.Event) -> None:
    while not over.wait(WATCH_S):
        if gone := _gone(node):
            logger.critical("Ray's %s ended, so this server ends; its jobs go on when it is started again", gone)
            try:
                end_descendants()
            finally:
                os._exit(1)  # the main thread may wait for Ray


def _gone(node: Any) -> str | None:
    """The daemon that has ended; one that is told to closes its port at once, and may linger."""
    if any(kind == "raylet" for kind, _ in node.dead_processes()):
        return "raylet"
    host, _, port = node.gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=WATCH_S).close()
    except ConnectionRefusedError:
        return "gcs_server"
    except OSError as error:  # a machine that is too busy is none of it
        logger.warning("Ray's gcs_server: %s", error)
    return None


def end_descendants() -> None:
    """Kill every process below this one, and wait until they are gone; again for those that came meanwhile."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline and (descendants := psutil.Process().children(recursive=True)):
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=END_S)
