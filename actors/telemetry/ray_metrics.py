"""The `Metrics` port in a Ray process: Ray's agent on the node exports what is recorded here."""

from typing import Any

from ray.util import metrics as ray_metrics

from actors.telemetry.table import PREFIX, TABLE, Kind


class RayMetrics:
    """Makes a metric of Ray's at its first use, so that a process exports only what it records."""

    def __init__(self) -> None:
        self._metrics: dict[str, Any] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter; Ray refuses to add nothing."""
        if value > 0:
            self._metric(name).inc(value, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a sample to a histogram."""
        self._metric(name).observe(value, labels)

    def level(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._metric(name).set(value, labels)

    def _metric(self, name: str) -> Any:
        if name not in self._metrics:
            self._metrics[name] = _make(name)
        return self._metrics[name]


def _make(name: str) -> Any:
    metric = TABLE[name]
    full, labels = PREFIX + name, metric.labels
    match metric.kind:
        case Kind.COUNTER:
            return ray_metrics.Counter(full, metric.help, labels)
        case Kind.GAUGE:
            return ray_metrics.Gauge(full, metric.help, labels)
        case Kind.HISTOGRAM:
            return ray_metrics.Histogram(full, metric.help, list(metric.buckets), labels)
