"""One job, one connected trace: through the whole monolith, to a collector."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from configs.settings import MonolithSettings, Telemetry
from deployments.monolith import Monolith
from tests.collector import Collector, collector
from tests.servers import by_template

HOPS = {"submit", "wait.prompting", "render", "wait.inference", "prefill", "decode", "store", "seal"}
CLIENTS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def monolith(folder: Path, there: Collector) -> AsyncIterator[httpx.AsyncClient]:
    settings = MonolithSettings(
        models=["scripted"], data=str(folder), telemetry=Telemetry(otlp_endpoint=there.endpoint)
    )
    house = Monolith(settings)
    await house.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://heliograph") as client:
        yield client
    await house.stop()  # sends what spans are left


async def run_one_job(client: httpx.AsyncClient, there: Collector, **headers: str) -> None:
    """Returns when its last span has come, or fails after a while."""
    await client.post("/async-generate", json={"model": "scripted", **by_template(0)}, headers=headers)
    async with asyncio.timeout(30):
        while "seal" not in there.names():
            await asyncio.sleep(0.05)


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


async def test_every_hop_and_every_wait_of_a_job_hangs_below_its_submit(tmp_path: Path) -> None:
    with collector() as there:
        async with monolith(tmp_path, there) as client:
            await run_one_job(client, there)
        spans = by_name(there.spans)
    root = spans.pop("submit")
    assert set(spans) | {"submit"} == HOPS
    assert not root.parent_span_id
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    assert {span.trace_id for span in spans.values()} == {root.trace_id}


async def test_the_clients_own_trace_is_continued(tmp_path: Path) -> None:
    with collector() as there:
        async with monolith(tmp_path, there) as client:
            await run_one_job(client, there, traceparent=CLIENTS)
    assert {f"00-{span.trace_id.hex()}-{span.parent_span_id.hex()}-01" for span in there.spans} == {CLIENTS}
    assert there.names() == HOPS


async def test_the_spans_of_a_job_follow_one_another(tmp_path: Path) -> None:
    with collector() as there:
        async with monolith(tmp_path, there) as client:
            await run_one_job(client, there)
    spans = by_name(there.spans)
    starts = [spans[name].start_time_unix_nano for name in ("submit", "render", "prefill", "decode", "store", "seal")]
    assert starts == sorted(starts)
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans.values())
