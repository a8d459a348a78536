"""How long a passing fault lets a step wait, in every journal on every store."""

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from pipelines.errors import TransientError, outcome_of
from pipelines.jobs import Job, Status, StepState
from tests.factories import PROMPTING, ManualClock, claim, finish, job_id, submit

BUSY = outcome_of(TransientError("busy", retry_after_s=45.0))
MANY = 1100  # more than one tick takes in hand


async def be_busy(journal: Journal, deadline_s: float, jobs: int = 1) -> None:
    """Submit jobs, and let the first attempt of each meet a service that asks to be left alone."""
    await journal.submit([submit(n, deadline_s=deadline_s) for n in range(jobs)])
    await journal.finish([finish(claimed, BUSY) for claimed in await journal.claim(claim(slots=jobs))])


async def state_after(journal: Journal, clock: ManualClock, seconds: float) -> Job:
    clock.time += seconds
    await journal.tick()
    (job,) = await journal.jobs("default", [job_id()])
    assert job is not None
    return job


async def test_a_step_waits_as_long_as_the_fault_asks(journal: Journal, clock: ManualClock) -> None:
    await be_busy(journal, deadline_s=1000.0)
    assert (await state_after(journal, clock, 44)).step_state is StepState.WAITING
    assert await journal.claim(claim(claim_id="early")) == []
    assert (await state_after(journal, clock, 1)).step_state is StepState.READY
    (claimed,) = await journal.claim(claim(claim_id="late"))
    assert claimed.attempt == 2


async def test_a_wait_ends_with_the_jobs_deadline(journal: Journal, clock: ManualClock) -> None:
    await be_busy(journal, deadline_s=20.0)
    assert (await state_after(journal, clock, 19)).step_state is StepState.WAITING
    job = await state_after(journal, clock, 1)
    assert job.fault is not None
    assert (job.status, job.fault.code) == (Status.FAILED, "deadline_exceeded")
    await state_after(journal, clock, 26)
    events = await journal.events("default", job_id(), None, 10)
    assert [open_envelope(event)[0].type for event in events] == ["JobSubmitted", "JobRetried", "JobFailed"]


async def test_however_many_jobs_are_overdue_none_of_them_is_woken(journal: Journal, clock: ManualClock) -> None:
    await be_busy(journal, deadline_s=20.0, jobs=MANY)
    for _ in range(3):
        await state_after(journal, clock, 50)
        assert journal.counts.ready[PROMPTING] == 0
    assert journal.counts.waiting[PROMPTING] == 0
