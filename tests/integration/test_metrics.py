"""What Ray's agent tells Prometheus of our metrics."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.ray


def test_prometheus_hears_of_histograms_with_exact_sums_of_levels_and_of_counters() -> None:
    program = [sys.executable, "-m", "tests.integration.metrics_program"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=180, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["2.0"], found["4.0"], found["512.0"], found["1000.0"], found["+Inf"]) == (0, 2, 2, 3, 3)
    assert (found["batch_size_count"], found["batch_size_sum"]) == (3, 706)
    assert (found["queue_depth"], found["attempts_total"]) == (7, 5)
