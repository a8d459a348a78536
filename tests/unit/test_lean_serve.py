"""Processes of Serve load no more than they need. Each in a process of its own: this one may have it already."""

import subprocess
import sys

import pytest

SERVE = "import ray.serve; from ray.serve._private.utils import serve_encoders"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (f"{SERVE}; print('pandas' in sys.modules)", "True"),  # else there is nothing to do any more
        (f"import heliograph.lean_serve; {SERVE}; print('pandas' in sys.modules)", "False"),
        (f"import heliograph.lean_serve; {SERVE}; import pandas; print(pandas.DataFrame.__name__)", "DataFrame"),
        (f"import heliograph.lean_serve; import pandas; {SERVE}; print(pandas.DataFrame in serve_encoders)", "True"),
    ],
    ids=["serve alone", "with us", "pandas afterwards", "pandas before"],
)
def test_only_serves_own_import_of_pandas_is_refused(program: str, says: str) -> None:
    assert said_by(program) == says


@pytest.mark.parametrize(("module", "says"), [("deployments.serving", "False"), ("deployments.serving_plane", "True")])
def test_only_the_plane_imports_what_the_shared_actors_are_made_of(module: str, says: str) -> None:
    assert said_by(f"import {module}; print('psycopg' in sys.modules)") == says


def said_by(program: str) -> str:
    command = [sys.executable, "-c", f"import sys; {program}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
