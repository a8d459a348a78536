"""One server per data folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliograph.data_lock import FolderInUseError, hold, holder, stop_holder

HOLDER = """
import signal, sys
from pathlib import Path
from heliograph.data_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_server_on_a_folder_is_refused_and_told_the_pid(
    other: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    with pytest.raises(FolderInUseError, match=f"pid {other.pid}"), hold(tmp_path):
        pass


def test_a_server_that_was_killed_leaves_the_folder_free(other: "subprocess.Popen[str]", tmp_path: Path) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder(tmp_path) is None
    with hold(tmp_path):
        assert (tmp_path / "server.lock").read_text() == f"{os.getpid()}\n"


def test_stop_ends_the_holder_and_waits_for_it(other: "subprocess.Popen[str]", tmp_path: Path) -> None:
    assert stop_holder(tmp_path, patience_s=20) == other.pid
    assert other.wait(5) == -signal.SIGTERM


def test_stop_finds_nobody_on_a_folder_that_is_free(tmp_path: Path) -> None:
    with hold(tmp_path / "data"):
        pass
    assert stop_holder(tmp_path / "data", patience_s=1) is None
    assert stop_holder(tmp_path / "nothing", patience_s=1) is None


def test_a_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    with hold(tmp_path / "a" / "b"):
        assert holder(tmp_path / "a" / "b") == os.getpid()
