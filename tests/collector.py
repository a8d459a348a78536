"""An OpenTelemetry collector in the test's own process: speaks OTLP over gRPC, keeps what it is sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.endpoint = ""

    def Export(  # noqa: N802 - gRPC's name
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        del context
        self.spans += [span for r in request.resource_spans for scope in r.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse()

    def names(self) -> set[str]:
        return {span.name for span in self.spans}


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens on `endpoint`."""
    service = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    service.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield service
    server.stop(None).wait()
