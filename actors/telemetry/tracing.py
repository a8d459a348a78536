"""The `Tracer` port by OpenTelemetry. A job carries its W3C traceparent; every span of it hangs below that one.

Spans are made after the fact, with the times that the caller measured, so nothing is kept open between processes.
A client that asked for no sampling (its flag is 0) gets no spans.
"""

import threading
from collections.abc import Mapping
from random import Random  # noqa: TID251 - the type only

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from actors.system import NoTracer

EXPORT_EVERY_MS = 1000  # a killed process loses at most the spans of this time
EXPORT_TIMEOUT_S = 2.0  # and one that ends waits no longer for a collector that is away

_propagator = TraceContextTextMapPropagator()


def new_traceparent(rng: Random) -> str:
    """A trace of its own, for a job whose client has none."""
    return f"00-{rng.getrandbits(128) or 1:032x}-{rng.getrandbits(64) or 1:016x}-01"


def parse(traceparent: str) -> SpanContext | None:
    """Whose child a span becomes; None where the text is no valid W3C traceparent."""
    parent = trace.get_current_span(_parent(traceparent)).get_span_context()
    return parent if parent.is_valid else None


class SpanTracer:
    """Hands finished spans to a processor of OpenTelemetry's."""

    enabled = True

    def __init__(self, processor: SpanProcessor, *, service: str) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), id_generator=self._ids)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("heliograph")

    def span(
        self,
        name: str,
        traceparent: str,
        start: float,
        end: float,
        attributes: Mapping[str, str | int],
        *,
        root: bool = False,
    ) -> None:
        """One span; dropped where the traceparent is invalid. Times are Unix seconds."""
        parent = parse(traceparent)
        if parent is None or not parent.trace_flags.sampled:
            return
        self._ids.root = parent if root else None
        context = Context() if root else _parent(traceparent)
        span = self._tracer.start_span(name, context, attributes=attributes, start_time=_ns(start))
        span.end(_ns(end))

    def close(self) -> None:
        """Send what waits, then stop."""
        self._provider.shutdown()


def make_tracer(endpoint: str, *, service: str) -> SpanTracer | NoTracer:
    """A tracer that sends to an OTLP collector (gRPC, such as http://127.0.0.1:4317); with "" one that does nothing."""
    if not endpoint:
        return NoTracer()
    # imported here, as it takes most of a second and most processes export nothing
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    return SpanTracer(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_MS), service=service)


class _Ids(threading.local, RandomIdGenerator):
    """Random ids, but for a job's root: that is the span which its traceparent already names."""

    root: SpanContext | None = None

    def generate_trace_id(self) -> int:
        return self.root.trace_id if self.root else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.root.span_id if self.root else super().generate_span_id()


def _parent(traceparent: str) -> Context:
    return _propagator.extract({"traceparent": traceparent}, Context())


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
