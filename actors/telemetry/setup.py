"""What a process needs to tell about itself, from its settings."""

import sys
from typing import TypedDict

from actors.telemetry.logs import configure_logging
from actors.telemetry.metrics import PrometheusMetrics
from actors.telemetry.tracing import make_tracer
from pipelines.ports import Metrics, Tracer


class TelemetryPorts(TypedDict):
    """Two of the ports, as `real_ports` takes them."""

    metrics: Metrics
    tracer: Tracer


def process_telemetry(service: str, *, log_level: str = "INFO", otlp_endpoint: str = "") -> TelemetryPorts:
    """Set up this process's logs; give it metrics, exported by Ray where it is one of Ray's, and a tracer."""
    configure_logging(service=service, level=log_level)
    return {"metrics": _metrics(), "tracer": make_tracer(otlp_endpoint, service=service)}


def _metrics() -> Metrics:
    ray = sys.modules.get("ray")  # every process of Ray's has it; the monolith never loads it
    if ray is None or not ray.is_initialized():
        return PrometheusMetrics()
    from actors.telemetry.ray_metrics import RayMetrics  # noqa: PLC0415 - see above

    return RayMetrics()
