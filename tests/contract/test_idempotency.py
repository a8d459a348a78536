"""What a client's key does to a submit, in every journal on every store."""

import asyncio

from actors.journal.journal import Journal
from actors.journal.protocol import JobQuery
from pipelines.commands import Key, Submit, Verdict
from pipelines.jobs import Status
from tests.contract.journal_stores import with_shards
from tests.factories import ManualClock, claim, finish, job_id, rendered, submit

pytestmark = with_shards


def keyed(number: int, word: str = "word", fingerprint: str = "f", **changes: str) -> Submit:
    return submit(number, key=Key("/async-generate", word, fingerprint), **changes)


async def test_100_pairs_of_parallel_twins_are_100_jobs(journal: Journal) -> None:
    pairs = [[keyed(2 * n, f"k{n}"), keyed(2 * n + 1, f"k{n}")] for n in range(100)]
    answers = await asyncio.gather(*(journal.submit([twin]) for pair in pairs for twin in pair))
    assert {answer.verdict for (answer,) in answers} == {Verdict.DONE}
    assert len(await journal.list_jobs(JobQuery("default", limit=300))) == 100


async def test_a_later_twin_is_answered_with_the_job_and_where_it_stands(journal: Journal) -> None:
    await journal.submit([keyed(0)])
    (claimed,) = await journal.claim(claim())
    await journal.finish([finish(claimed, rendered())])
    await journal.claim(claim("topic.inference.scripted", claim_id="c2"))
    (answer,) = await journal.submit([keyed(1)])
    assert (answer.verdict, answer.status, answer.job_id) == (Verdict.DONE, Status.IN_PROGRESS, job_id(0))


async def test_another_body_under_the_same_key_is_refused(journal: Journal) -> None:
    await journal.submit([keyed(0)])
    answers = await journal.submit([keyed(1, fingerprint="g"), keyed(2, tenant="other", fingerprint="g")])
    assert [answer.verdict for answer in answers] == [Verdict.CONFLICT, Verdict.DONE]
    assert await journal.jobs("default", [job_id(1)]) == [None]


async def test_a_repeat_of_the_first_call_is_no_twin(journal: Journal) -> None:
    answers = [(await journal.submit([keyed(0)]))[0] for _ in range(2)]
    assert answers[0] == answers[1]


async def test_a_key_is_forgotten_after_a_day(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([keyed(0)])
    clock.time += 86401
    (answer,) = await journal.submit([keyed(1, fingerprint="g")])
    assert (answer.verdict, answer.job_id) == (Verdict.DONE, "")
    (again,) = await journal.submit([keyed(2, fingerprint="g")])
    assert again.job_id == job_id(1)
