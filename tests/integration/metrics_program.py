"""Records metrics in a Ray of its own, and prints what Ray's agent tells Prometheus of them."""

import json
import re

import httpx

from heliograph.local_ray import local_ray
from tests.servers import until

PREFIX = "ray_heliograph_"
EXPORTED_S = 60


def main() -> None:
    """Print the value of each series that has a label of ours: buckets by their bound, the others by their name."""
    with local_ray({"RAY_enable_metrics_collection": "1", "RAY_metrics_report_interval_ms": "1000"}, dashboard=False):
        import ray  # noqa: PLC0415 - `local_ray` is to import ray first

        from actors.telemetry.ray_metrics import RayMetrics  # noqa: PLC0415 - imports ray

        metrics = RayMetrics()
        for size in (3, 3, 700):
            metrics.observe("batch_size", size, batch="ours")
        metrics.level("queue_depth", 7, topic="ours")
        for attempts in (2, 3):
            metrics.count("attempts", attempts, step="ours")
            metrics.hand_over()
        url = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
        found = until(lambda: series(httpx.get(url).text), seconds=EXPORTED_S, what="the metrics are there")
        print(json.dumps(found))  # noqa: T201


def series(text: str) -> dict[str, float]:
    """Nothing while some are not there yet."""
    found = {_key(line): float(line.rpartition(" ")[2]) for line in text.splitlines() if _is_ours(line)}
    return found if {"batch_size_sum", "queue_depth", "attempts_total"} <= found.keys() else {}


def _is_ours(line: str) -> bool:
    return line.startswith(PREFIX) and '="ours"' in line


def _key(line: str) -> str:
    bound = re.search(r'le="([^"]+)"', line)
    return bound[1] if bound else line.removeprefix(PREFIX).partition("{")[0]


if __name__ == "__main__":
    main()
