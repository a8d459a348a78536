"""Processes of Serve have no pandas. In processes of their own: this one may have it already."""

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
    command = [sys.executable, "-c", f"import sys; {program}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == [says]
