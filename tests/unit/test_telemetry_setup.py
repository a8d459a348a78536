import subprocess
import sys

SCRIPT = """
import sys
from actors.telemetry.setup import process_telemetry
telemetry = process_telemetry("monolith")
print(type(telemetry["metrics"]).__name__, telemetry["tracer"].enabled, "ray" in sys.modules)
"""


def test_outside_of_ray_a_process_exports_its_own_metrics_and_loads_no_ray() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PrometheusMetrics", "False", "False"]
