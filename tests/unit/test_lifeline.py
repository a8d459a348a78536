"""A process that ends with the one that started it, however that ends."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import lifeline_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="by a signal of Linux")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("when", lifeline_program.CHILDREN)
def test_a_child_ends_when_its_parent_is_killed(when: str) -> None:
    program = [sys.executable, "-m", lifeline_program.__name__, when]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([child], timeout=30)[1] == []
