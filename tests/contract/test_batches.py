"""Batches in every journal on every store: from the file's validation to the results, and the ways that end early."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.protocol import FileQuery
from actors.telemetry.logs import LOGGER, JsonLines
from events.ids import number_of
from pipelines.batch_edits import (
    Batch,
    BatchQuery,
    BeginBatch,
    CancelBatch,
    CreateBatch,
    LineQuery,
    RefuseBatch,
    batch_job,
    batch_of,
    error_id,
    finalization_id,
    line_id,
    line_priority,
    new_batch_id,
    output_id,
    validation_id,
)
from pipelines.commands import (
    Answer,
    Cancel,
    Delete,
    Failed,
    Finalized,
    Key,
    Outcome,
    Redrive,
    Remedy,
    Submit,
    Validated,
    Verdict,
)
from pipelines.jobs import ClaimedJob, Fault, Status
from pipelines.steps import BATCHING_TOPIC, LINE, VALIDATION, line_topic
from tests.factories import ManualClock, claim, finish, generated, payload

LINES = line_topic("scripted")
HOUR = 3600.0
BAD = Failed(fault=Fault("invalid_value", "no good"), remedy=Remedy.REJECT)
FINALIZED = Finalized(output_bytes=70, error_bytes=30, reasoning_tokens=4)


def batch_id(number: int = 1) -> str:
    return new_batch_id(f"batch_{number:024d}0000")


BATCH = batch_id()


class Run:
    """One batch on a journal, moved on by hand."""

    def __init__(self, journal: Journal, clock: ManualClock, batch: str = BATCH) -> None:
        self.journal = journal
        self.clock = clock
        self.batch = batch
        self.claims = 0

    async def create(self, **changes: Any) -> Answer:
        job = batch_job(validation_id(self.batch), "default", VALIDATION, deadline_s=HOUR, now=self.clock.time)
        create = CreateBatch(
            batch=self.batch,
            endpoint="/v1/responses",
            input_file="file-1",
            window="1h",
            window_s=HOUR,
            metadata="{}",
            output_expires_s=None,
            job=job._replace(**changes),
        )
        return (await self.journal.edit([create]))[0]

    async def begin(self, lines: int) -> None:
        """Found to be good, and a worker is about to add its lines."""
        await self.create()
        self.validation = await self.claim(BATCHING_TOPIC)
        await self.journal.edit([BeginBatch(batch=self.batch, tenant="default", lines=lines, model="scripted")])

    async def start(self, lines: int, *faults: int) -> None:
        """In progress; some lines have failed already."""
        await self.begin(lines)
        await self.add(*range(1, lines + 1), faults=faults)
        await self.end(self.validation, Validated(lines=lines))

    async def add(self, *numbers: int, faults: tuple[int, ...] = ()) -> list[Verdict]:
        answers = await self.journal.submit([self.line(number, fault=number in faults) for number in numbers])
        return [answer.verdict for answer in answers]

    def line(self, number: int, *, fault: bool = False) -> Submit:
        return Submit(
            job_id=line_id(self.batch, number),
            tenant="default",
            pipeline=LINE,
            model="scripted",
            request=payload(f'{{"line": {number}}}'.encode()),
            deadline_s=HOUR,
            priority=line_priority(self.clock.time + HOUR),
            part_of=self.batch,
            rendered=None if fault else payload(f'{{"prompt": {number}}}'.encode()),
            fault=BAD.fault if fault else None,
        )

    async def claim(self, topic: str) -> ClaimedJob:
        self.claims += 1
        (job,) = await self.journal.claim(claim(topic, claim_id=f"{self.batch}.{self.claims}", slots=1))
        return job

    async def end(self, job: ClaimedJob, outcome: Outcome) -> Verdict:
        return (await self.journal.finish([finish(job, outcome)]))[0].verdict

    async def run(self, *outcomes: Outcome) -> None:
        """The next lines end like this."""
        for outcome in outcomes:
            await self.end(await self.claim(LINES), outcome)

    async def finalize(self) -> None:
        await self.end(await self.claim(BATCHING_TOPIC), FINALIZED)

    async def cancel(self) -> str:
        return (await self.journal.edit([CancelBatch(batch=self.batch, tenant="default")]))[0].detail

    async def wind_down(self) -> int:
        calls = 0
        while await self.journal.wind_down(2):
            calls += 1
        return calls

    async def row(self) -> Batch:
        (row,) = await self.journal.batches(BatchQuery("default", self.batch))
        return row

    async def statuses(self) -> list[Status]:
        return [job.status for job in await self.journal.lines(LineQuery(self.batch))]

    async def ready(self, topic: str) -> int:
        depth = (await self.journal.depth()).get(topic)
        return depth.ready if depth else 0


@pytest.fixture
def run(journal: Journal, clock: ManualClock) -> Run:
    return Run(journal, clock)


async def test_a_batch_runs_from_its_file_to_its_results(run: Run, journal: Journal, clock: ManualClock) -> None:
    await run.start(3, 2)
    row = await run.row()
    assert (row.status, row.total, row.completed, row.failed, row.model) == ("in_progress", 3, 0, 1, "scripted")
    assert (row.created_at, row.expires_at) == (clock.time, clock.time + HOUR)
    await run.run(generated(), generated(Status.INCOMPLETE))
    row = await run.row()
    assert (row.status, row.completed, row.failed) == ("finalizing", 2, 1)
    assert (row.input_tokens, row.output_tokens) == (6, 32)
    clock.time += 1
    await run.finalize()
    row = await run.row()
    assert (row.status, row.open, row.ended_at, row.reasoning_tokens) == ("completed", 0, clock.time, 4)
    files = await journal.files(FileQuery("default", purpose="batch_output", ascending=True))
    assert [(file.id, file.size) for file in files] == [(output_id(BATCH), 70), (error_id(BATCH), 30)]


async def test_what_belongs_to_a_batch_tells_so_by_its_id() -> None:
    assert {batch_of(name) for name in (line_id(BATCH, 7), finalization_id(BATCH), output_id(BATCH))} == {BATCH}
    assert number_of(line_id(BATCH, 50_000)) == 50_000
    assert validation_id(BATCH) < line_id(BATCH, 1) < line_id(BATCH, 50_000) < finalization_id(BATCH)


async def test_the_story_of_a_line_is_short(run: Run, journal: Journal) -> None:
    await run.start(1)
    await run.run(generated())
    events = await journal.events("default", line_id(BATCH, 1), None, 100)
    types = [open_envelope(event)[0].type for event in events]
    assert types == ["JobSubmitted", "InferenceStarted", "InferenceCompleted", "ResultStored"]


async def test_lines_that_end_before_the_last_is_there_finish_nothing(run: Run) -> None:
    await run.begin(2)
    await run.add(1)
    await run.run(generated())
    await run.add(2)
    await run.run(generated())
    assert (await run.row()).status == "validating"
    await run.end(run.validation, Validated(lines=2))
    assert (await run.row()).status == "finalizing"
    assert await run.ready(BATCHING_TOPIC) == 1


async def test_a_validation_that_is_done_again_makes_no_line_twice(run: Run, journal: Journal) -> None:
    await run.begin(2)
    await run.add(1)
    await run.run(generated())
    await journal.orphan("w1", crashed=False)
    again = await run.claim(BATCHING_TOPIC)
    await journal.edit([BeginBatch(batch=BATCH, tenant="default", lines=2, model="scripted")])
    assert await run.add(1, 2) == [Verdict.DONE] * 2
    assert await run.end(run.validation, Validated(lines=2)) is Verdict.STALE
    await run.end(again, Validated(lines=2))
    await run.run(generated())
    row = await run.row()
    assert (row.status, row.total, row.completed) == ("finalizing", 2, 2)


async def test_lines_with_the_earliest_deadline_go_first(run: Run, journal: Journal, clock: ManualClock) -> None:
    late = Run(journal, clock, batch_id(2))
    await late.start(1)
    await run.begin(1)
    hasty = run.line(1)._replace(priority=line_priority(clock.time + 60))
    await journal.submit([hasty])
    assert [(await run.claim(LINES)).job_id for _ in range(2)] == [hasty.job_id, line_id(late.batch, 1)]


async def test_a_file_that_is_refused_makes_no_lines(run: Run, journal: Journal) -> None:
    await run.create()
    validation = await run.claim(BATCHING_TOPIC)
    errors = json.dumps([{"code": "invalid_url", "message": "no", "param": "url", "line": 3}])
    await journal.edit([RefuseBatch(batch=BATCH, tenant="default", errors=errors)])
    await run.end(validation, Validated(lines=0))
    row = await run.row()
    assert (row.status, row.open, json.loads(row.errors)[0]["line"]) == ("failed", 0, 3)
    assert await run.add(1) == [Verdict.STALE]
    assert await run.wind_down() == 0


async def test_a_batch_that_is_refused_when_it_has_lines_ends_them(run: Run, journal: Journal) -> None:
    await run.begin(4)
    await run.add(1, 2, 3)
    await journal.edit([RefuseBatch(batch=BATCH, tenant="default", errors="[]")])
    assert (await run.row()).open == 1
    assert await run.wind_down() == 2
    assert await run.statuses() == [Status.CANCELLED] * 3
    row = await run.row()
    assert (row.status, row.open) == ("failed", 0)


async def test_a_cancelled_batch_keeps_what_is_done_and_ends_the_rest(run: Run) -> None:
    await run.start(5)
    await run.run(generated())
    held = await run.claim(LINES)
    assert await run.cancel() == "in_progress"
    assert await run.cancel() == "cancelling"
    assert (await run.row()).cancelling_at is not None
    assert await run.wind_down() == 3
    assert await run.end(held, generated()) is Verdict.STALE
    assert (await run.row()).status == "cancelling"
    await run.finalize()
    row = await run.row()
    assert (row.status, row.completed, row.failed) == ("cancelled", 1, 4)
    assert await run.cancel() == "cancelled"


async def test_a_batch_that_is_cancelled_while_its_lines_are_added_gets_no_more(run: Run) -> None:
    await run.begin(4)
    await run.add(1, 2)
    await run.cancel()
    assert await run.end(run.validation, Validated(lines=4)) is Verdict.STALE
    assert await run.add(3) == [Verdict.STALE]
    await run.wind_down()
    await run.finalize()
    row = await run.row()
    assert (row.status, row.total, row.failed) == ("cancelled", 4, 4)


async def test_a_batch_that_is_cancelled_before_its_file_was_read_has_no_lines(run: Run) -> None:
    await run.create()
    await run.cancel()
    assert await run.ready(BATCHING_TOPIC) == 0
    await run.wind_down()
    row = await run.row()
    assert (row.status, row.total, row.open) == ("cancelled", -1, 0)


async def test_who_cancels_the_results_being_written_gets_them_and_a_cancelled_batch(run: Run) -> None:
    await run.start(1)
    await run.run(generated())
    assert await run.cancel() == "finalizing"
    assert await run.wind_down() == 0
    await run.finalize()
    assert (await run.row()).status == "cancelled"


async def test_lines_that_have_not_run_in_time_expire_with_their_batch(
    run: Run, journal: Journal, clock: ManualClock
) -> None:
    await run.start(4)
    await run.run(generated())
    clock.time += HOUR - 1
    await journal.tick()
    assert (await run.row()).status == "in_progress"
    clock.time += 1
    await journal.tick()
    await run.wind_down()
    assert (await run.row()).status == "finalizing"
    await run.finalize()
    row = await run.row()
    assert (row.status, row.completed, row.failed) == ("expired", 1, 3)


async def test_a_file_that_nobody_reads_in_time_expires(run: Run, journal: Journal, clock: ManualClock) -> None:
    await run.create()
    clock.time += HOUR
    await journal.tick()
    await run.wind_down()
    row = await run.row()
    assert (row.status, row.total, row.open) == ("expired", -1, 0)


@pytest.mark.parametrize("step", ["validation", "finalization"])
async def test_a_batch_whose_own_work_is_given_up_fails(step: str, run: Run) -> None:
    await (run.create() if step == "validation" else run.start(1))
    if step == "finalization":
        await run.run(generated())
    await run.end(await run.claim(BATCHING_TOPIC), replace(BAD, fault=Fault("server_error", "broken")))
    row = await run.row()
    assert (row.status, row.open, json.loads(row.errors)[0]["message"]) == ("failed", 0, "broken")


async def test_a_line_that_is_done_again_later_counts_no_more(run: Run, journal: Journal, clock: ManualClock) -> None:
    await run.start(1)
    for _ in range(5):
        await run.run(replace(BAD, remedy=Remedy.RETRY))
        clock.time += 60
        await journal.tick()
    await run.finalize()
    (answer,) = await journal.redrive([Redrive(job_id=line_id(BATCH, 1), tenant="default")])
    assert answer.verdict is Verdict.DONE
    again = await run.claim(LINES)
    assert again.job_id == answer.job_id
    assert [again.payloads[reference] for reference in [again.rendered] if reference] == [b'{"prompt": 1}']
    await run.end(again, generated())
    row = await run.row()
    assert (row.completed, row.failed) == (0, 1)


async def test_what_an_open_batch_needs_is_not_removed(run: Run, journal: Journal, clock: ManualClock) -> None:
    await run.start(2)
    await run.run(generated())
    await journal.delete([Delete(job_id=line_id(BATCH, 1), tenant="default")])
    clock.time += 60 * 86400
    await journal.prune(10)
    assert await run.statuses() == [Status.COMPLETED, Status.QUEUED]
    await run.cancel()
    await run.wind_down()
    await run.finalize()
    clock.time += 60 * 86400
    await journal.prune(10)
    assert await run.statuses() == []
    assert (await run.row()).status == "cancelled"


async def test_a_client_may_cancel_one_line(run: Run, journal: Journal) -> None:
    await run.start(2)
    await journal.cancel([Cancel(job_id=line_id(BATCH, 1), tenant="default")])
    await run.run(generated())
    assert (await run.row()).status == "finalizing"


async def test_the_same_key_is_the_same_batch(run: Run, journal: Journal, clock: ManualClock) -> None:
    key = Key("/v1/batches", "word", "fingerprint")
    await run.create(key=key)
    other = Run(journal, clock, batch_id(2))
    answer = await other.create(key=key)
    assert batch_of(answer.job_id) == BATCH
    assert (await other.create(key=key._replace(fingerprint="another"))).verdict is Verdict.CONFLICT
    assert [row.id for row in await journal.batches(BatchQuery("default"))] == [BATCH]
    assert (await run.create(key=key)).job_id == ""


async def test_pages_go_from_the_newest_and_show_no_other_tenants(journal: Journal, clock: ManualClock) -> None:
    for number in (1, 2, 3):
        await Run(journal, clock, batch_id(number)).create()
    await Run(journal, clock, batch_id(4)).create(tenant="another")
    page = await journal.batches(BatchQuery("default", limit=2))
    assert [row.id for row in page] == [batch_id(3), batch_id(2)]
    assert [row.id for row in await journal.batches(BatchQuery("default", after=batch_id(2)))] == [BATCH]
    assert await journal.batches(BatchQuery("another", BATCH)) == []
    assert (await journal.edit([CancelBatch(batch=BATCH, tenant="another")]))[0].verdict is Verdict.UNKNOWN


async def test_no_log_of_a_line_is_to_be_sealed(run: Run, journal: Journal) -> None:
    await run.start(1)
    await run.run(generated())
    assert await journal.unsealed(10) == []


async def test_of_lines_the_log_has_only_what_went_wrong(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    await run.start(3)
    caplog.clear()
    await run.run(generated(), BAD)
    told = [line for record in caplog.records for line in JsonLines("journal").format(record).splitlines()]
    assert len(told) == 1
    assert "JobFailed" in told[0]
    assert line_id(BATCH, 2) in told[0]
