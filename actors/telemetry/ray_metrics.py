"""The `Metrics` port in a Ray process: Ray's agent on the node exports what is recorded here.

All is added up in this process by Prometheus' own client, and handed to Ray every few seconds: a call of Ray's metrics
takes longer than an addition, and of each sample of a histogram the agent makes one more, in Python, at the middle of
its bucket. So histograms are handed over as levels, and their sums are exact.
"""

import logging
import threading
from typing import Any

from prometheus_client.samples import Sample
from ray.util import metrics as ray_metrics

from actors.telemetry.metrics import PrometheusMetrics
from actors.telemetry.table import PREFIX, TABLE, Kind

HAND_OVER_S = 5.0  # Ray exports every ten seconds
log = logging.getLogger("heliograph")


class RayMetrics(PrometheusMetrics):
    """Makes a metric of Ray's when one is recorded, so that a process exports only what it records."""

    def __init__(self) -> None:
        super().__init__()
        self._exported: dict[str, Any] = {}  # Ray's, by name
        self._counted: dict[tuple[Any, ...], float] = {}  # what Ray knows of a counter, by name and labels
        self._thread: threading.Thread | None = None  # there is one from the first record on

    def hand_over(self) -> None:
        """Tell Ray what has been recorded until now: buckets, sums and counts by the names that Prometheus has."""
        for name, sample in self.samples():
            if TABLE[name].kind is Kind.COUNTER:
                self._add(name, sample)
            else:
                self._find(ray_metrics.Gauge, sample.name, name).set(sample.value, sample.labels)

    def _add(self, name: str, sample: Sample) -> None:
        key = (name, *sample.labels.items())
        more = sample.value - self._counted.get(key, 0.0)
        if more > 0:  # Ray refuses to add nothing
            self._find(ray_metrics.Counter, PREFIX + name, name).inc(more, sample.labels)
            self._counted[key] = sample.value

    def _find(self, kind: type[Any], exported: str, name: str) -> Any:
        if exported not in self._exported:
            metric = TABLE[name]
            bounds = ("le",) if exported.endswith("_bucket") else ()
            self._exported[exported] = kind(exported, metric.help, (*metric.labels, *bounds))
        return self._exported[exported]

    def _make_child(self, name: str, labels: dict[str, str]) -> Any:
        child = super()._make_child(name, labels)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()
        return child

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(HAND_OVER_S):
            try:
                self.hand_over()
            except Exception:
                log.exception("metrics were not handed over")
                self.count("loop_failures", loop="metrics")
