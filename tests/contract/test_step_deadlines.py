"""How long an attempt may take, in every journal on every store."""

from collections.abc import Callable

import pytest

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.protocol import DeadLetterQuery, Worker
from pipelines.commands import Verdict
from pipelines.jobs import ClaimedJob, Job, Status, StepState
from tests.factories import INFERENCE, PROMPTING, ManualClock, claim, finish, generated, job_id, rendered, submit

LIMIT_S = 60.0


async def take(journal: Journal, claim_id: str = "c1", limit_s: float = LIMIT_S) -> ClaimedJob:
    (claimed,) = await journal.claim(claim(claim_id=claim_id, limit_s=limit_s))
    return claimed


async def the_job(journal: Journal) -> Job:
    (job,) = await journal.jobs("default", [job_id()])
    assert job is not None
    return job


async def pass_time(journal: Journal, clock: ManualClock, seconds: float) -> None:
    clock.time += seconds
    await journal.tick()


async def test_an_attempt_that_takes_too_long_is_taken_from_its_worker_and_tried_again(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=1))
    await journal.submit([submit()])
    late = await take(journal)
    await pass_time(journal, clock, LIMIT_S - 1)
    assert (await the_job(journal)).step_state is StepState.CLAIMED
    await pass_time(journal, clock, 1)
    job = await the_job(journal)
    assert (job.step_state, job.failures) == (StepState.WAITING, 1)
    assert (await journal.heartbeat("w1", 5)).revoked == [(late.job_id, late.fence)]
    (answer,) = await journal.finish([finish(late, rendered())])
    assert answer.verdict is Verdict.STALE
    await pass_time(journal, clock, 1)
    again = await take(journal, "c2")
    assert (again.attempt, again.fence) == (2, late.fence + 1)


async def test_a_step_that_always_takes_too_long_becomes_a_dead_letter(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit()])
    for attempt in range(5):
        await take(journal, f"c{attempt}")
        await pass_time(journal, clock, LIMIT_S)
        await pass_time(journal, clock, 30)
    (letter,) = await journal.dead_letters(DeadLetterQuery("default"))
    assert (letter.job_id, letter.code, letter.kind) == (job_id(), "step_deadline_exceeded", "StepDeadlineExceeded")
    events = await journal.events("default", job_id(), None, 100)
    assert [open_envelope(event)[0].type for event in events] == [
        "JobSubmitted",
        *["JobRetried"] * 4,
        "JobDeadLettered",
    ]


@pytest.mark.parametrize(("limit_s", "expected"), [(LIMIT_S, LIMIT_S), (1000.0, 500.0), (0.0, 500.0)])
async def test_a_worker_is_told_the_earlier_of_both_deadlines(
    journal: Journal, clock: ManualClock, limit_s: float, expected: float
) -> None:
    await journal.submit([submit(deadline_s=500.0)])
    claimed = await take(journal, limit_s=limit_s)
    repeated = await take(journal, limit_s=limit_s)
    assert claimed.deadline_at == repeated.deadline_at == clock.time + expected


async def test_the_jobs_own_deadline_goes_first(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit(deadline_s=LIMIT_S)])
    await take(journal)
    await pass_time(journal, clock, LIMIT_S)
    job = await the_job(journal)
    assert job.fault is not None
    assert (job.status, job.fault.code, job.failures) == (Status.FAILED, "deadline_exceeded", 0)


async def test_each_attempt_has_its_own_time(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit()])
    claimed = await take(journal)
    await pass_time(journal, clock, LIMIT_S - 1)
    await journal.finish([finish(claimed, rendered())])
    await pass_time(journal, clock, LIMIT_S)
    (inference,) = await journal.claim(claim(INFERENCE, claim_id="c2", limit_s=LIMIT_S))
    await pass_time(journal, clock, LIMIT_S - 1)
    await journal.finish([finish(inference, generated())])
    job = await the_job(journal)
    assert (job.status, job.failures, job.step_deadline_at) == (Status.COMPLETED, 0, None)


async def test_without_a_limit_an_attempt_may_take_any_time(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit(deadline_s=100_000.0)])
    await take(journal, limit_s=0)
    await pass_time(journal, clock, 99_999)
    assert (await the_job(journal)).step_state is StepState.CLAIMED


async def test_a_step_deadline_outlives_a_restart(open_journal: Callable[[], Journal], clock: ManualClock) -> None:
    before = open_journal()
    await before.submit([submit()])
    await take(before)
    after = open_journal()
    await pass_time(after, clock, LIMIT_S)
    assert (await the_job(after)).failures == 1
