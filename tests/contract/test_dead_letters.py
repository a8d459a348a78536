"""Jobs that were given up, and how they are done again, in every journal on every store."""

import pytest

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.protocol import DeadLetterQuery
from pipelines.commands import Redrive, Verdict
from pipelines.errors import TransientError, outcome_of
from pipelines.jobs import Status
from tests.contract.journal_stores import with_shards
from tests.factories import ManualClock, claim, finish, job_id, payload, rendered, submit

pytestmark = with_shards


async def give_up(journal: Journal, clock: ManualClock, *numbers: int, model: str = "scripted") -> None:
    """Submit jobs and let each fail five times."""
    await journal.submit([submit(n, model=model, request=payload(b"hello")) for n in numbers])
    for attempt in range(5):
        claims = await journal.claim(claim(claim_id=f"{model}{numbers}{attempt}"))
        await journal.finish([finish(item, outcome_of(ValueError("boom"))) for item in claims])
        clock.time += 60
        await journal.tick()


async def listed(journal: Journal, **query: str | int | bool) -> list[str]:
    return [letter.job_id for letter in await journal.dead_letters(DeadLetterQuery("default", **query))]  # type: ignore[arg-type]


async def test_a_job_that_failed_too_often_is_listed_with_its_cause(journal: Journal, clock: ManualClock) -> None:
    await give_up(journal, clock, 0)
    (letter,) = await journal.dead_letters(DeadLetterQuery("default"))
    assert (letter.job_id, letter.model, letter.code, letter.kind) == (
        job_id(),
        "scripted",
        "server_error",
        "ValueError",
    )
    assert await journal.dead_letters(DeadLetterQuery("other")) == []


async def test_every_attempt_is_on_record_with_worker_and_traceback(journal: Journal, clock: ManualClock) -> None:
    await give_up(journal, clock, 0)
    facts = [open_envelope(event)[1] for event in await journal.events("default", job_id(), None, 100)][1:]
    assert {(fact.worker, fact.error.kind) for fact in facts} == {("w1", "ValueError")}
    traceback = outcome_of(ValueError("boom")).traceback
    assert traceback is not None
    assert await journal.blobs("default", [traceback.reference]) == [traceback.data]
    assert len(facts) == 5


async def test_letters_are_filtered_and_paged_from_the_newest(journal: Journal, clock: ManualClock) -> None:
    await give_up(journal, clock, 0, 1, 2)
    await give_up(journal, clock, 3, model="another")
    assert await listed(journal, limit=2) == [job_id(3), job_id(2)]
    assert await listed(journal, after=job_id(2)) == [job_id(1), job_id(0)]
    assert await listed(journal, model="another") == [job_id(3)]
    assert await listed(journal, code="worker_crashed") == []


async def test_a_redrive_is_a_new_job_with_the_same_request_and_happens_once(
    journal: Journal, clock: ManualClock
) -> None:
    await give_up(journal, clock, 0)
    answers = await journal.redrive([Redrive(job_id=job_id(), tenant="default")] * 2)
    answers += await journal.redrive([Redrive(job_id=job_id(), tenant="default")])
    (new_id,) = {answer.job_id for answer in answers}
    old, new = await journal.jobs("default", [job_id(), new_id])
    assert old is not None
    assert new is not None
    assert (old.status, new.status, new.request, new.redrive_of) == (Status.FAILED, Status.QUEUED, old.request, old.id)
    (claimed,) = await journal.claim(claim(claim_id="again"))
    assert (claimed.job_id, list(claimed.payloads.values())) == (new_id, [b"hello"])
    await journal.finish([finish(claimed, rendered())])
    assert await listed(journal, open_only=True) == []


async def test_a_redrive_may_start_later(journal: Journal, clock: ManualClock) -> None:
    await give_up(journal, clock, 0)
    await journal.redrive([Redrive(job_id=job_id(), tenant="default", delay_s=10)])
    assert await journal.claim(claim(claim_id="early")) == []
    clock.time += 11
    await journal.tick()
    assert len(await journal.claim(claim(claim_id="late"))) == 1


async def test_only_the_tenants_own_dead_letters_can_be_redriven(journal: Journal, clock: ManualClock) -> None:
    await give_up(journal, clock, 0)
    await journal.submit([submit(1)])
    batch = [Redrive(job_id=job_id(), tenant="other"), Redrive(job_id=job_id(1), tenant="default")]
    assert {answer.verdict for answer in await journal.redrive(batch)} == {Verdict.UNKNOWN}


@pytest.mark.parametrize("failures", [10])
async def test_a_passing_fault_is_no_dead_letter(journal: Journal, clock: ManualClock, failures: int) -> None:
    await journal.submit([submit(deadline_s=10_000.0)])
    for number in range(failures):
        (claimed,) = await journal.claim(claim(claim_id=f"c{number}"))
        await journal.finish([finish(claimed, outcome_of(TransientError("busy")))])
        clock.time += 60
        await journal.tick()
    assert await listed(journal) == []
