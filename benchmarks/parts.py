"""A benchmark in parts: each is a module with a result of its own, run in a process of its own."""

import json
import subprocess
import sys
from typing import Any


def run(part: str) -> dict[str, Any]:
    """The result of one part, the last of its lines. All are shown as they come, and it ends by itself.

    Raises CalledProcessError where it fails.
    """
    command, line = [sys.executable, "-m", f"benchmarks.{part}"], ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None  # noqa: S101 - for the type checker
        for line in program.stdout:
            print(line, end="", flush=True)
    if program.returncode:
        raise subprocess.CalledProcessError(program.returncode, command)
    figures: dict[str, Any] = json.loads(line)
    return figures
