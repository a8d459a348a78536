"""A Ray of a server's own whose daemons end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.ray, pytest.mark.timeout(120)]


@pytest.fixture
def server() -> Iterator["subprocess.Popen[str]"]:
    program = [sys.executable, "-m", "tests.integration.lone_ray_program"]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        yield server
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(server.pid).children(recursive=True):
                process.kill()
        server.kill()


@pytest.mark.parametrize(("daemon", "how"), [("gcs_server", signal.SIGTERM), ("raylet", signal.SIGKILL)])
def test_it_ends_with_all_that_it_started_when_a_daemon_of_rays_ends(
    server: "subprocess.Popen[str]", daemon: str, how: signal.Signals
) -> None:
    assert server.stdout is not None
    other = psutil.Process(int(server.stdout.readline()))
    tree = [other, *psutil.Process(server.pid).children(recursive=True)]
    next(process for process in tree if process.name() == daemon).send_signal(how)
    said = server.communicate(timeout=30)[1]
    assert server.returncode == 1
    assert "ended, so this server ends" in said
    assert psutil.wait_procs(tree, timeout=5)[1] == []
