"""Records a histogram in a Ray of its own, and prints what Ray's agent tells Prometheus of it."""

import json
import re

import httpx

from heliograph.local_ray import local_ray
from tests.servers import until

NAME = "ray_heliograph_batch_size"
EXPORTED_S = 60


def main() -> None:
    """Print the value of each series: of a bucket by its bound, of the others by their name."""
    with local_ray({"RAY_enable_metrics_collection": "1", "RAY_metrics_report_interval_ms": "1000"}, dashboard=False):
        import ray  # noqa: PLC0415 - `local_ray` is to import ray first

        from actors.telemetry.ray_metrics import RayMetrics  # noqa: PLC0415 - imports ray

        metrics = RayMetrics()
        for size in (3, 3, 700):
            metrics.observe("batch_size", size, batch="of_this_test")
        metrics.hand_over()
        url = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
        found = until(lambda: series(httpx.get(url).text), seconds=EXPORTED_S, what="the histogram is there")
        print(json.dumps(found))  # noqa: T201


def series(text: str) -> dict[str, float]:
    """The histogram's."""
    lines = [line for line in text.splitlines() if line.startswith(NAME) and "of_this_test" in line]
    return {_key(line): float(line.rpartition(" ")[2]) for line in lines}


def _key(line: str) -> str:
    bound = re.search(r'le="([^"]+)"', line)
    return bound[1] if bound else line.removeprefix(NAME).partition("{")[0]


if __name__ == "__main__":
    main()
