"""What becomes of jobs that have ended, in every journal on every store."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from actors.journal.errands import ErrandKind
from actors.journal.journal import Journal
from actors.journal.limits import Limits
from actors.journal.protocol import DeadLetterQuery, JobQuery
from actors.journal.retention import JOB_BYTES, Retention, size_of
from actors.journal.store import Store
from pipelines.commands import (
    INLINE_BYTES,
    Cancel,
    Failed,
    Key,
    Payload,
    Redrive,
    Remedy,
    Submit,
    Verdict,
)
from pipelines.jobs import Fault, Reference, reference_of
from tests.factories import INFERENCE, ManualClock, claim, finish, generated, job_id, make_ports, payload, rendered
from tests.factories import submit as small

AGE_S = 1000.0
Opener = Callable[..., Journal]
LARGE = b"x" * (INLINE_BYTES + 1)


@pytest.fixture
def opener(open_store: Callable[[], Store], clock: ManualClock) -> Opener:
    return lambda size=0: Journal(
        open_store(), ports=make_ports(clock), limits=Limits(retention=Retention(AGE_S, size)), coming_s=0
    )


@pytest.fixture
def journal(opener: Opener) -> Journal:
    return opener()


async def end(journal: Journal, *jobs: Submit, seal: bool = True) -> None:
    """Submit these jobs, work on them and seal them."""
    await journal.submit(jobs)
    for topic, outcome in (("topic.prompting", rendered()), (INFERENCE, generated())):
        claims = await journal.claim(claim(topic, claim_id=f"{jobs[0].job_id}/{topic}"))
        await journal.finish([finish(claimed, outcome) for claimed in claims])
    if seal:
        await journal.mark_sealed([job.job_id for job in jobs])


async def there(journal: Journal, numbers: Sequence[int]) -> list[int]:
    jobs = await journal.jobs("default", list(map(job_id, numbers)))
    return [number for number, job in zip(numbers, jobs, strict=True) if job is not None]


async def readable(journal: Journal, *references: Reference) -> list[bool]:
    return [data is not None for data in await journal.blobs("default", references)]


async def test_a_job_goes_with_all_that_is_its_own_when_it_is_old_enough(journal: Journal, clock: ManualClock) -> None:
    await end(journal, small(0))
    clock.time += AGE_S - 1
    assert not await journal.prune(10)
    assert await there(journal, [0]) == [0]
    clock.time += 1
    assert not await journal.prune(10)
    assert await journal.jobs("default", [job_id()]) == [None]
    assert await journal.list_jobs(JobQuery("default")) == []
    assert await journal.events("default", job_id(), None, 100) == []
    ours = (small(0).request, rendered().prompt, generated().result)
    assert await readable(journal, *(each.reference for each in ours)) == [False] * 3
    assert (await journal.cancel([Cancel(job_id=job_id(), tenant="default")]))[0].verdict is Verdict.UNKNOWN


async def test_the_log_of_a_job_that_went_is_to_be_forgotten(journal: Journal, clock: ManualClock) -> None:
    await end(journal, small(0))
    clock.time += AGE_S
    await journal.prune(10)
    (errand,) = await journal.errands(10)
    assert errand[:3] == (ErrandKind.FORGET_LOG, "default", job_id())
    await journal.close_errands([], [errand], 50.0)
    assert await journal.errands(10) == []
    clock.time += 50.0
    await journal.close_errands(await journal.errands(10), [], 0.0)
    clock.time += 50.0
    assert await journal.errands(10) == []


async def test_errands_outlive_a_restart(opener: Opener, clock: ManualClock) -> None:
    journal = opener()
    await end(journal, small(0), small(1))
    clock.time += AGE_S
    await journal.prune(10)
    assert [errand.subject for errand in await opener().errands(10)] == [job_id(0), job_id(1)]


async def test_those_go_first_that_finished_first(journal: Journal, clock: ManualClock) -> None:
    for number in (2, 0, 1):
        await end(journal, small(number))
        clock.time += 1
    clock.time += AGE_S
    assert await journal.prune(2)
    assert await there(journal, [0, 1, 2]) == [1]
    assert not await journal.prune(2)
    assert await there(journal, [0, 1, 2]) == []


async def test_neither_an_open_job_nor_one_with_an_open_log_goes(journal: Journal, clock: ManualClock) -> None:
    await end(journal, small(0), seal=False)
    await journal.submit([small(1, deadline_s=10 * AGE_S)])
    clock.time += 2 * AGE_S
    await journal.prune(10)
    assert await there(journal, [0, 1]) == [0, 1]
    await journal.mark_sealed([job_id(0)])
    await journal.prune(10)
    assert await there(journal, [0, 1]) == [1]


async def test_a_payload_stays_while_any_job_refers_to_it(journal: Journal, clock: ManualClock) -> None:
    shared = payload(b"the same question")
    await end(journal, small(0, request=shared), small(1, request=shared, tenant="another"))
    clock.time += 1
    await end(journal, small(2, request=shared))
    for age, is_left in ((AGE_S - 1, True), (1, False)):
        clock.time += age
        await journal.prune(10)
        everything = (shared.reference, rendered().prompt.reference, generated().result.reference)
        assert await readable(journal, *everything) == [is_left] * 3
    assert await journal.blobs("another", [shared.reference]) == [None]


async def test_a_payload_that_comes_back_is_there_again(journal: Journal, clock: ManualClock) -> None:
    await end(journal, small(0))
    clock.time += AGE_S
    await asyncio.gather(journal.prune(10), journal.submit([small(1, request=small(0).request)]))
    assert await readable(journal, small(0).request.reference) == [True]


async def test_a_repeated_call_refers_no_second_time(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([small(0)])
    await journal.submit([small(0)])
    await end(journal, small(0))
    clock.time += AGE_S
    await journal.prune(10)
    assert await readable(journal, small(0).request.reference) == [False]


@pytest.mark.parametrize("remedy", [Remedy.REJECT, Remedy.RETRY])
async def test_tracebacks_go_with_their_job(remedy: Remedy, journal: Journal, clock: ManualClock) -> None:
    trace, fault = payload(b"Traceback"), Fault("server_error", "boom")
    await journal.submit([small(0)])
    for attempt in range(5):
        clock.time += 60
        await journal.tick()
        claims = await journal.claim(claim(claim_id=f"c{attempt}"))
        outcome = Failed(fault=fault, remedy=remedy, kind="ValueError", traceback=trace)
        await journal.finish([finish(claimed, outcome) for claimed in claims])
    await journal.mark_sealed([job_id()])
    assert await readable(journal, trace.reference) == [True]
    clock.time += AGE_S
    await journal.prune(10)
    assert await readable(journal, trace.reference) == [False]
    assert await journal.dead_letters(DeadLetterQuery("default")) == []


async def test_a_redriven_job_keeps_the_request_of_a_dead_letter_that_went(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.submit([small(0)])
    for attempt in range(5):
        clock.time += 60
        await journal.tick()
        claims = await journal.claim(claim(claim_id=f"c{attempt}"))
        boom = Failed(fault=Fault("server_error", "boom"), remedy=Remedy.RETRY)
        await journal.finish([finish(claimed, boom) for claimed in claims])
    await journal.mark_sealed([job_id()])
    redrive = Redrive(job_id=job_id(), tenant="default")
    await journal.redrive([redrive])
    clock.time += AGE_S
    await journal.prune(10)
    assert await there(journal, [0]) == []
    assert await readable(journal, small(0).request.reference) == [True]
    assert (await journal.redrive([redrive]))[0].verdict is Verdict.UNKNOWN


async def test_the_key_of_a_job_that_went_makes_a_new_job(opener: Opener) -> None:
    journal = opener(1)
    key = Key("/async-generate", "word", "f")
    await end(journal, small(0, key=key))
    assert (await journal.submit([small(1, key=key)]))[0].job_id == job_id(0)
    pruned, (answer,) = await asyncio.gather(journal.prune(10), journal.submit([small(2, key=key)]))
    assert not pruned
    assert (answer.verdict, answer.job_id) == (Verdict.DONE, "")
    assert (await journal.submit([small(3, key=key)]))[0].job_id == job_id(2)


async def test_a_large_payload_is_an_errand_once_nothing_refers_to_it(journal: Journal, clock: ManualClock) -> None:
    large = Payload(reference_of(LARGE), None)
    await end(journal, small(0, request=large))
    clock.time += 1
    await end(journal, small(1, request=large))
    assert await journal.blobs("default", [large.reference]) == [None]
    assert await journal.referred("default", [large.reference.hash, "other"]) == {large.reference.hash}
    clock.time += AGE_S - 1
    await journal.prune(10)
    assert {errand.kind for errand in await journal.errands(10)} == {ErrandKind.FORGET_LOG}
    clock.time += 1
    await journal.prune(10)
    assert await journal.referred("default", [large.reference.hash]) == set()
    unlink = [errand for errand in await journal.errands(10) if errand.kind is ErrandKind.UNLINK_BLOB]
    assert [(errand.tenant, errand.subject) for errand in unlink] == [("default", large.reference.hash)]


async def test_the_oldest_go_while_all_take_more_than_is_allowed(opener: Opener, clock: ManualClock) -> None:
    journal = opener(3 * (JOB_BYTES + 100))
    for number in range(5):
        await end(journal, small(number))
        clock.time += 1
    await journal.prune(10)
    assert await there(journal, list(range(5))) == [2, 3, 4]


async def test_a_restart_knows_what_is_kept(opener: Opener, clock: ManualClock) -> None:
    journal = opener()
    for number in range(3):
        await end(journal, small(number, request=payload(b"x" * 1000 * (number + 1))))
        clock.time += 1
    kept = await journal.jobs("default", list(map(job_id, range(3))))
    everything = sum(size_of(job) for job in kept if job)
    await opener(everything).prune(10)
    assert await there(journal, [0, 1, 2]) == [0, 1, 2]
    await opener(everything - 1).prune(10)
    assert await there(journal, [0, 1, 2]) == [1, 2]
