"""Jobs that are deleted, in every journal on every store."""

from actors.journal.journal import Journal
from actors.journal.protocol import DeadLetterQuery, JobQuery, Worker
from pipelines.commands import Cancel, Delete, Key, Redrive, Verdict
from pipelines.jobs import Status
from tests.contract.journal_stores import with_shards
from tests.contract.test_parents import end, give_up
from tests.factories import PROMPTING, ManualClock, claim, finish, job_id, rendered, submit

pytestmark = with_shards

KEY = Key("/v1/responses", "word", "f")


def delete(number: int = 0, tenant: str = "default") -> Delete:
    return Delete(job_id=job_id(number), tenant=tenant)


async def test_a_deleted_job_is_shown_to_nobody(journal: Journal) -> None:
    await end(journal, submit(0))
    await end(journal, submit(1))
    assert (await journal.delete([delete()]))[0].verdict is Verdict.DONE
    assert await journal.jobs("default", [job_id()]) == [None]
    assert [job.id for job in await journal.list_jobs(JobQuery("default"))] == [job_id(1)]
    assert await journal.list_jobs(JobQuery("default", after=job_id(1), limit=5)) == []
    assert [job.id for job in await journal.list_jobs(JobQuery("default", ascending=True))] == [job_id(1)]
    assert await journal.events("default", job_id(), None, 10) == []
    assert (await journal.cancel([Cancel(job_id=job_id(), tenant="default")]))[0].verdict is Verdict.UNKNOWN


async def test_an_open_job_is_cancelled_by_it(journal: Journal) -> None:
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=1))
    await journal.submit([submit()])
    (claimed,) = await journal.claim(claim())
    (answer,) = await journal.delete([delete()])
    assert (answer.verdict, answer.status) == (Verdict.DONE, Status.CANCELLED)
    assert (await journal.heartbeat("w1", 5)).revoked == [(claimed.job_id, claimed.fence)]
    assert (await journal.finish([finish(claimed, rendered())]))[0].verdict is Verdict.STALE
    assert await journal.claim(claim(claim_id="c2")) == []


async def test_it_goes_once_its_log_is_sealed(journal: Journal) -> None:
    await journal.submit([submit()])
    await journal.delete([delete()])
    await journal.prune(10)
    assert [job.id for job in await journal.unsealed(10)] == [job_id()]
    await journal.mark_sealed([job_id()])
    await journal.prune(10)
    assert await journal.unsealed(10) == []
    assert [errand.subject for errand in await journal.errands(10)] == [job_id()]
    assert await journal.blobs("default", [submit().request.reference]) == [None]
    assert (await journal.delete([delete()]))[0].verdict is Verdict.UNKNOWN


async def test_a_repeat_is_answered_alike_and_another_tenant_knows_nothing(journal: Journal) -> None:
    await journal.submit([submit()])
    answers = await journal.delete([delete(tenant="another"), delete(), delete(), delete(1)])
    expected = [Verdict.UNKNOWN, Verdict.DONE, Verdict.DONE, Verdict.UNKNOWN]
    assert [answer.verdict for answer in answers] == expected


async def test_its_key_is_free(journal: Journal) -> None:
    await journal.submit([submit(0, key=KEY)])
    await journal.delete([delete()])
    (answer,) = await journal.submit([submit(1, key=KEY)])
    assert (answer.verdict, answer.job_id) == (Verdict.DONE, "")
    await journal.mark_sealed([job_id()])
    await journal.prune(10)
    assert (await journal.submit([submit(2, key=KEY)]))[0].job_id == job_id(1)


async def test_its_dead_letter_is_gone(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit()])
    await give_up(journal, 0, clock)
    await journal.delete([delete()])
    assert await journal.dead_letters(DeadLetterQuery("default")) == []
    assert (await journal.redrive([Redrive(job_id=job_id(), tenant="default")]))[0].verdict is Verdict.UNKNOWN


async def test_more_are_removed_in_turns(journal: Journal) -> None:
    await journal.submit([submit(number) for number in range(5)])
    await journal.delete([delete(number) for number in range(5)])
    await journal.mark_sealed([job_id(number) for number in range(5)])
    assert [await journal.prune(2) for _ in range(3)] == [True, True, False]
