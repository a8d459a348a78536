"""Two implementations of the `Metrics` port: Prometheus for one process, and one that tests can read.

Recording costs a dictionary lookup and an addition. A name or label that the table lacks raises KeyError or
ValueError at its first use.
"""

from collections import defaultdict
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.samples import Sample

from actors.telemetry.table import PREFIX, TABLE, Kind, Metric


class PrometheusMetrics:
    """Metrics of this process, with their exposition for `GET /metrics`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._families = {name: _family(name, metric, self._registry) for name, metric in TABLE.items()}
        self._children: dict[tuple[Any, ...], Any] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._child(name, labels).inc(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a sample to a histogram."""
        self._child(name, labels).observe(value)

    def level(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._child(name, labels).set(value)

    def exposition(self) -> bytes:
        """Everything recorded so far, in Prometheus' text format."""
        return generate_latest(self._registry)

    def samples(self) -> list[tuple[str, Sample]]:
        """What the metrics are now in which something was recorded, with their names in the table."""
        recorded = dict.fromkeys(name for name, *_ in list(self._children))
        return [
            (name, sample)
            for name in recorded
            for family in self._families[name].collect()
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]

    def _child(self, name: str, labels: dict[str, str]) -> Any:
        key = (name, *labels.items())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._make_child(name, labels)
        return child

    def _make_child(self, name: str, labels: dict[str, str]) -> Any:
        family = self._families[name]
        return family.labels(**labels) if labels else family


def _family(name: str, metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    full = PREFIX + name
    match metric.kind:
        case Kind.COUNTER:
            return Counter(full, metric.help, metric.labels, registry=registry)
        case Kind.GAUGE:
            return Gauge(full, metric.help, metric.labels, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(full, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


class RecordedMetrics:
    """Keeps every value, for tests. A series is its name and its labels: `("batch_size", ("batch", "claim"))`."""

    def __init__(self) -> None:
        self.values: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Keep the addition."""
        self._record(Kind.COUNTER, name, value, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Keep the sample."""
        self._record(Kind.HISTOGRAM, name, value, labels)

    def level(self, name: str, value: float, **labels: str) -> None:
        """Keep the level."""
        self._record(Kind.GAUGE, name, value, labels)

    def _record(self, kind: Kind, name: str, value: float, labels: dict[str, str]) -> None:
        metric = TABLE[name]
        if metric.kind is not kind or set(labels) != set(metric.labels):
            raise ValueError(f"{name} is a {metric.kind} with labels {metric.labels}, not a {kind} with {labels}")
        self.values[(name, *sorted(labels.items()))].append(value)
