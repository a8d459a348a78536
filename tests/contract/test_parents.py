"""Jobs that go on from others, and what they keep of them, in every journal on every store."""

import pytest

from actors.journal.journal import Journal
from actors.journal.retention import UNSTORED_S
from pipelines.commands import Cancel, Delete, Failed, Payload, Redrive, Remedy, Submit, Verdict
from pipelines.jobs import Fault, Reference, Status
from tests.contract.journal_stores import with_shards
from tests.factories import INFERENCE, ManualClock, claim, finish, generated, job_id, payload, rendered, submit

pytestmark = with_shards

LARGE = Reference("e" * 64, 10_000_000)


async def end(journal: Journal, job: Submit, status: Status = Status.COMPLETED) -> None:
    """Submit this job, work on it and seal it."""
    await journal.submit([job])
    for topic, outcome in (("topic.prompting", rendered()), (INFERENCE, generated(status))):
        (claimed,) = await journal.claim(claim(topic, claim_id=f"{job.job_id}/{topic}"))
        await journal.finish([finish(claimed, outcome)])
    await journal.mark_sealed([job.job_id])


async def give_up(journal: Journal, number: int, clock: ManualClock) -> None:
    for attempt in range(5):
        clock.time += 60
        await journal.tick()
        (claimed,) = await journal.claim(claim(claim_id=f"{number}/{attempt}"))
        boom = Failed(fault=Fault("server_error", "boom"), remedy=Remedy.RETRY)
        await journal.finish([finish(claimed, boom)])
    await journal.mark_sealed([job_id(number)])


def child(number: int, parent: int, *context: Reference, tenant: str = "default") -> Submit:
    return submit(number, parent=job_id(parent), context=context, tenant=tenant)


async def readable(journal: Journal, *references: Reference) -> list[bool]:
    return [data is not None for data in await journal.blobs("default", references)]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.INCOMPLETE])
async def test_a_job_goes_on_from_one_that_has_a_result(status: Status, journal: Journal) -> None:
    await end(journal, submit(0), status)
    answers = await journal.submit([child(1, 0), child(2, 0, tenant="another")])
    assert [answer.verdict for answer in answers] == [Verdict.DONE, Verdict.PARENT]


async def test_nothing_goes_on_from_a_job_that_is_open_unknown_or_has_no_result(journal: Journal) -> None:
    await journal.submit([submit(0), submit(1)])
    await journal.cancel([Cancel(job_id=job_id(1), tenant="default")])
    answers = await journal.submit([child(10 + n, n) for n in range(3)])
    assert [(answer.verdict, answer.detail) for answer in answers] == [
        (Verdict.PARENT, "queued"),
        (Verdict.PARENT, "cancelled"),
        (Verdict.PARENT, "unknown"),
    ]
    assert await journal.jobs("default", [job_id(10 + n) for n in range(3)]) == [None] * 3


async def test_a_repeat_of_a_child_is_answered_without_its_parent(journal: Journal) -> None:
    await end(journal, submit(0))
    await journal.submit([child(1, 0)])
    await journal.delete([Delete(job_id=job_id(0), tenant="default")])
    answers = await journal.submit([child(1, 0), child(2, 0)])
    assert [answer.verdict for answer in answers] == [Verdict.DONE, Verdict.PARENT]


async def test_what_is_not_stored_is_no_parent_and_goes_soon_after_its_end(
    journal: Journal, clock: ManualClock
) -> None:
    await end(journal, submit(0, stored=False))
    await journal.submit([submit(1, stored=False)])
    assert (await journal.submit([child(2, 0)]))[0].detail == "unknown"
    clock.time += UNSTORED_S - 1
    await journal.prune(10)
    assert None not in await journal.jobs("default", [job_id(0), job_id(1)])
    clock.time += 1
    await journal.prune(10)
    assert [job is None for job in await journal.jobs("default", [job_id(0), job_id(1)])] == [True, False]
    assert await readable(journal, submit(0).request.reference) == [False]


async def test_a_context_stays_as_long_as_the_job_that_reads_it(journal: Journal) -> None:
    turn = (submit(0).request.reference, payload(b'{"output": ["of the parent"]}').reference, LARGE)
    await end(journal, submit(0))
    await journal.submit([submit(8, request=payload(b'{"output": ["of the parent"]}'))])
    await journal.submit([submit(9, request=Payload(LARGE, None))])
    await journal.cancel([Cancel(job_id=job_id(n), tenant="default") for n in (8, 9)])
    await end(journal, child(1, 0, *turn, turn[0]))
    await journal.delete([Delete(job_id=job_id(n), tenant="default") for n in (0, 8, 9)])
    await journal.mark_sealed([job_id(8), job_id(9)])
    await journal.prune(10)
    assert await readable(journal, *turn[:2]) == [True, True]
    assert await journal.referred("default", [LARGE.hash]) == {LARGE.hash}
    await journal.delete([Delete(job_id=job_id(1), tenant="default")])
    await journal.prune(10)
    assert await readable(journal, *turn[:2]) == [False, False]
    assert await journal.referred("default", [LARGE.hash]) == set()


async def test_a_redriven_child_keeps_its_context(journal: Journal, clock: ManualClock) -> None:
    await end(journal, submit(0))
    turn = submit(0).request.reference
    await journal.submit([child(1, 0, turn)])
    await give_up(journal, 1, clock)
    (answer,) = await journal.redrive([Redrive(job_id=job_id(1), tenant="default")])
    await journal.delete([Delete(job_id=job_id(n), tenant="default") for n in (0, 1)])
    await journal.prune(10)
    assert await readable(journal, turn, submit(1).request.reference) == [True, True]
    await journal.delete([Delete(job_id=answer.job_id, tenant="default")])
    await journal.mark_sealed([answer.job_id])
    await journal.prune(10)
    assert await readable(journal, turn, submit(1).request.reference) == [False, False]
