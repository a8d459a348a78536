import json
import logging
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.telemetry.logs import LOGGER, JsonLines
from actors.telemetry.metrics import RecordedMetrics
from actors.telemetry.story import tell_claims
from actors.telemetry.tracing import SpanTracer
from pipelines.steps import BULK, LINE
from tests.factories import INFERENCE, PROMPTING, ManualClock, claim, finish, generated, make_ports, rendered, submit

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Told:
    """A journal, and what it tells."""

    def __init__(self) -> None:
        self.metrics = RecordedMetrics()
        self.exporter = InMemorySpanExporter()
        self.clock = ManualClock()
        tracer = SpanTracer(SimpleSpanProcessor(self.exporter), service="journal")
        self.ports = replace(make_ports(self.clock), metrics=self.metrics, tracer=tracer)
        self.journal = Journal(MemoryStore(Disk(uuid="store-1")), ports=self.ports)

    async def finish_one_job(self, *, wait_s: float = 0.0) -> None:
        await self.journal.submit([submit(traceparent=TRACE)])
        self.clock.time += wait_s
        (job,) = await self.journal.claim(claim(PROMPTING))
        await self.journal.finish([finish(job, rendered())])
        (job,) = await self.journal.claim(claim(INFERENCE, claim_id="c2"))
        await self.journal.finish([finish(job, generated())])

    def spans(self) -> dict[str, float]:
        """Seconds by name."""
        done = self.exporter.get_finished_spans()
        return {span.name: ((span.end_time or 0) - (span.start_time or 0)) / 1e9 for span in done}


@pytest.fixture
def told() -> Told:
    return Told()


async def test_every_event_of_a_job_is_counted(told: Told) -> None:
    await told.finish_one_job()
    counted = [key[1][1] for key in told.metrics.values if key[0] == "job_events"]
    assert counted == ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"]


@pytest.mark.parametrize(
    ("level", "told_of"),
    [
        (logging.INFO, ["ResultStored"]),
        (
            logging.DEBUG,
            ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"],
        ),
    ],
)
async def test_a_job_that_goes_well_is_one_line_of_the_log_and_in_full_one_per_event(
    told: Told, caplog: pytest.LogCaptureFixture, level: int, told_of: list[str]
) -> None:
    caplog.set_level(level, LOGGER)
    await told.finish_one_job()
    lines = [line for record in caplog.records for line in JsonLines("journal").format(record).splitlines()]
    assert [json.loads(line)["message"] for line in lines] == told_of
    assert [line.count(TRACE[3:35]) for line in lines] == [1] * len(told_of)
    assert '"step": "infer", "attempt": 1' in lines[-1]


async def test_the_wait_of_a_step_is_a_span_and_a_sample(told: Told) -> None:
    await told.finish_one_job(wait_s=2.5)
    assert told.spans()["wait.prompting"] == 2.5
    assert told.spans()["wait.inference"] == 0
    assert told.metrics.values[("step_wait_seconds", ("step", "render"))] == [2.5]


@pytest.mark.parametrize("pipeline", [LINE, BULK])
async def test_the_wait_of_what_comes_by_the_thousand_is_no_sample(told: Told, pipeline: str) -> None:
    await told.journal.submit([submit()])
    (job,) = await told.journal.claim(claim(PROMPTING))
    told.metrics.values.clear()
    tell_claims([job._replace(pipeline=pipeline)], told.ports)
    assert list(told.metrics.values) == [("attempts", ("step", "render"))]


async def test_storing_the_result_is_a_span(told: Told) -> None:
    await told.finish_one_job()
    assert "store" in told.spans()


async def test_each_claim_counts_an_attempt(told: Told) -> None:
    await told.finish_one_job()
    assert told.metrics.values[("attempts", ("step", "render"))] == [1]
    assert told.metrics.values[("attempts", ("step", "infer"))] == [1]


async def test_a_claim_that_finds_nothing_tells_nothing(told: Told) -> None:
    await told.journal.claim(claim(PROMPTING))
    assert not told.spans()
    assert not [key for key in told.metrics.values if key[0] == "attempts"]
