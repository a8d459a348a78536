"""A crash point is nothing until a test asks for it; then one process dies there, and only one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from actors.crash_points import VARIABLE

PROGRAM = "from actors.crash_points import crash_point; crash_point('journal.commit.before'); print('lives')"


def pass_the_point(folder: Path | None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) if folder is None else {**os.environ, VARIABLE: str(folder)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_process_that_nobody_asks_to_die_passes() -> None:
    assert pass_the_point(None).stdout == "lives\n"


def test_the_first_process_that_passes_dies_and_the_next_one_lives(tmp_path: Path) -> None:
    (tmp_path / "journal.commit.before").touch()
    (tmp_path / "journal.commit.after").touch()
    assert pass_the_point(tmp_path).returncode == -signal.SIGKILL
    assert pass_the_point(tmp_path).stdout == "lives\n"
    assert {path.name for path in tmp_path.iterdir()} == {"journal.commit.before.died", "journal.commit.after"}
