import random

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors.system import NoTracer
from actors.telemetry.tracing import SpanTracer, make_tracer, new_traceparent, parse
from tests.collector import collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced:
    """A tracer and what it exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = SpanTracer(SimpleSpanProcessor(self._exporter), service="test")

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_a_span_is_a_child_of_the_jobs_traceparent_with_the_given_times(traced: Traced) -> None:
    traced.tracer.span("render", PARENT, 100.0, 100.25, {"attempt": 1})
    span = traced.spans()["render"]
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}-{span.parent.span_id:016x}" in PARENT
    assert (span.start_time, span.end_time) == (100_000_000_000, 100_250_000_000)
    assert dict(span.attributes or {}) == {"attempt": 1}


def test_the_root_has_the_id_in_the_traceparent_and_no_parent(traced: Traced) -> None:
    traced.tracer.span("submit", PARENT, 1.0, 2.0, {}, root=True)
    traced.tracer.span("render", PARENT, 2.0, 3.0, {})
    root, child = traced.spans()["submit"], traced.spans()["render"]
    assert f"{root.context.trace_id:032x}-{root.context.span_id:016x}" in PARENT
    assert root.parent is None
    assert child.parent is not None
    assert child.parent.span_id == root.context.span_id != child.context.span_id


def test_a_client_that_samples_nothing_gets_no_spans(traced: Traced) -> None:
    traced.tracer.span("render", PARENT[:-1] + "0", 1.0, 2.0, {})
    traced.tracer.span("submit", PARENT[:-1] + "0", 1.0, 2.0, {}, root=True)
    assert not traced.spans()


@pytest.mark.parametrize("text", ["", "nonsense", PARENT.replace("0af765", "0AF765"), "00-" + "0" * 32 + PARENT[35:]])
def test_what_is_no_traceparent_is_dropped(traced: Traced, text: str) -> None:
    traced.tracer.span("render", text, 1.0, 2.0, {})
    assert parse(text) is None
    assert not traced.spans()


def test_a_new_traceparent_is_valid_sampled_and_the_random_sources_own() -> None:
    first, second = new_traceparent(random.Random(1)), new_traceparent(random.Random(2))
    parent = parse(first)
    assert parent is not None
    assert parent.trace_flags.sampled
    assert first == new_traceparent(random.Random(1)) != second


def test_without_an_endpoint_tracing_is_off() -> None:
    tracer = make_tracer("", service="test")
    assert isinstance(tracer, NoTracer)
    assert not tracer.enabled


def test_spans_reach_a_collector_by_otlp() -> None:
    with collector() as there:
        tracer = make_tracer(there.endpoint, service="test")
        tracer.span("render", PARENT, 1.0, 2.0, {"attempt": 1})
        tracer.close()
        assert there.names() == {"render"}
