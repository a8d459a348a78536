"""Several shards behind the face of one journal and one token log."""

import asyncio

import pytest

from actors.depths import known_depths
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.limits import Limits, TenantLimits
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Depth, JobQuery, Waiting, Worker
from actors.journal.vector_queries import RemovalsQuery, StoreQueries, StoreQuery
from actors.remotes import UnreachableError
from actors.sharded import ShardedJournal, ShardedTokenLog, journal_of, token_log_of
from actors.token_log.protocol import SealRequest
from pipelines.commands import Cancel, Delete, Verdict
from pipelines.edits import CreateConversation
from pipelines.jobs import Status
from pipelines.vector_edits import CreateVectorStore
from tests.factories import INFERENCE, PROMPTING, claim, finish, make_ports, payload, rendered
from tests.shards import TENANTS, Shards, id_for, submit_for
from tests.token_logs import appends, seal_in, shown


@pytest.fixture
def shards() -> Shards:
    return Shards()


def ids(*numbers: int) -> list[tuple[str, str]]:
    """Of the tenants in turn, with these."""
    return [(tenant, id_for(tenant, number)) for number in numbers for tenant in TENANTS]


async def fill(shards: Shards, *numbers: int) -> None:
    await shards.journal.submit([submit_for(tenant, number) for number in numbers for tenant in TENANTS])


def test_one_shard_alone_is_itself(shards: Shards) -> None:
    assert journal_of(shards.journals[:1]) is shards.journals[0]
    assert token_log_of(shards.token_logs[:1]) is shards.token_logs[0]
    assert isinstance(journal_of(shards.journals), ShardedJournal)
    assert isinstance(token_log_of(shards.token_logs), ShardedTokenLog)


async def test_a_tenant_is_whole_in_the_shard_that_its_ids_name(shards: Shards) -> None:
    await fill(shards, 1, 2, 3)
    for shard, tenant in enumerate(TENANTS):
        own = [id_for(tenant, number) for number in (3, 2, 1)]
        assert shards.journal.home(tenant) == shard
        assert [job.id for job in await shards.journal.list_jobs(JobQuery(tenant))] == own
        assert [job.id for job in await shards.journals[shard].list_jobs(JobQuery(tenant))] == own
        assert await shards.journals[1 - shard].list_jobs(JobQuery(tenant)) == []


async def test_another_tenants_job_looks_like_none_in_the_same_shard_and_in_another(shards: Shards) -> None:
    await fill(shards, 1)
    for tenant, other in (TENANTS, reversed(TENANTS)):
        assert await shards.journal.jobs(tenant, [id_for(other, 1)]) == [None]
        (answer,) = await shards.journal.cancel([Cancel(job_id=id_for(other, 1), tenant=tenant)])
        assert answer.verdict is Verdict.UNKNOWN


async def test_a_batch_for_many_tenants_is_answered_in_its_order(shards: Shards) -> None:
    await fill(shards, 1, 2)
    commands = [Cancel(job_id=job_id, tenant=tenant) for tenant, job_id in ids(2, 7, 1)]
    verdicts = [answer.verdict for answer in await shards.journal.cancel(commands)]
    done, unknown = Verdict.DONE, Verdict.UNKNOWN
    assert verdicts == [done, done, unknown, unknown, done, done]
    deleted = await shards.journal.delete([Delete(job_id=job_id, tenant=tenant) for tenant, job_id in ids(1)])
    assert [answer.status for answer in deleted] == [Status.CANCELLED] * 2


async def test_outcomes_go_where_the_jobs_ids_say(shards: Shards) -> None:
    await fill(shards, 1, 2)
    claims = [each for journal in shards.journals for each in await journal.claim(claim(PROMPTING))]
    answers = await shards.journal.finish([finish(each, rendered()) for each in reversed(claims)])
    assert [answer.verdict for answer in answers] == [Verdict.DONE] * 4
    assert [(await journal.depth())[INFERENCE].ready for journal in shards.journals] == [2, 2]


async def test_the_depth_is_that_of_all_shards_and_the_workers_those_of_one(shards: Shards) -> None:
    await fill(shards, 1, 2)
    for journal in shards.journals:
        await journal.register(Worker(id="w1", topic=PROMPTING, slots=2))
    await shards.journals[1].claim(claim(PROMPTING, slots=1))
    depth = (await shards.journal.depth())[PROMPTING]
    assert (depth.ready, depth.claimed, depth.workers) == (3, 1, 1)
    assert depth.holders == ("w1",)


async def test_a_heartbeat_tells_what_may_be_claimed_and_the_priority_of_whose_turn_is_next() -> None:
    limits = Limits(tenants={TENANTS[0]: TenantLimits(steps=1)})
    journal = Journal(MemoryStore(Disk(uuid="one")), ports=make_ports(), shards=2, limits=limits)
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=2))
    await journal.submit([submit_for(TENANTS[0], number, priority=number) for number in (10, 11, 12)])
    assert (await journal.heartbeat("w1", 0)).waiting == (Waiting(PROMPTING, 3, 12),)
    await journal.submit([submit_for(TENANTS[1], number, priority=5) for number in (1, 2)])
    assert len(await journal.claim(claim(PROMPTING, slots=2))) == 2
    assert (await journal.heartbeat("w1", 0)).waiting == (Waiting(PROMPTING, 1, 5),)


async def test_conversations_are_the_tenants_shards(shards: Shards) -> None:
    edits = [
        CreateConversation(conversation=id_for(tenant, 1, prefix="conv"), tenant=tenant, metadata="{}", items=payload())
        for tenant in TENANTS
    ]
    assert [answer.verdict for answer in await shards.journal.edit(edits)] == [Verdict.DONE] * 2
    for edit in edits:
        assert await shards.journal.conversation(edit.tenant, edit.conversation) is not None
        assert len(await shards.journal.entries(edit.tenant, edit.conversation)) == 1


async def test_questions_about_stores_of_many_tenants_are_answered_in_order(shards: Shards) -> None:
    await shards.journal.edit([CreateVectorStore(store=f"vs_{tenant}", tenant=tenant) for tenant in TENANTS])
    queries = [StoreQuery("acme", "vs_acme"), StoreQuery("default", "vs_acme"), StoreQuery("default", "vs_default")]
    found = await shards.journal.ask(StoreQueries(queries))
    assert [row and row.id for row in found] == ["vs_acme", None, "vs_default"]
    assert await shards.journal.ask(queries[0]) == found[0]


async def test_removals_are_asked_of_each_shard(shards: Shards) -> None:
    with pytest.raises(TypeError):
        await shards.journal.ask(RemovalsQuery(10))
    assert [await part.ask(RemovalsQuery(10)) for part in shards.journal.parts] == [[], []]


async def test_a_shard_says_what_waits_for_a_worker_and_one_alone_does_not(shards: Shards) -> None:
    await fill(shards, 1, 2)
    await shards.journals[1].register(Worker(id="w1", topic=PROMPTING, slots=2))
    await shards.journals[1].submit([submit_for("acme", 3, priority=10)])
    (waiting,) = (await shards.journals[1].heartbeat("w1", 0)).waiting
    assert waiting == (PROMPTING, 3, 10)
    alone = Shards(1).journals[0]
    await alone.register(Worker(id="w1", topic=PROMPTING, slots=2))
    assert (await alone.heartbeat("w1", 0)).waiting == ()


async def test_logs_are_opened_written_sealed_and_read_where_the_jobs_are(shards: Shards) -> None:
    log, jobs = shards.token_log, [job_id for _, job_id in ids(1, 2)]
    await log.open([(job_id, 1) for job_id in jobs])
    chunks = [append._replace(job_id=job_id) for job_id in jobs for append in appends(f"of {job_id}", close=True)]
    await log.append(chunks)
    assert [shown(await log.read(job_id, -1)) for job_id in jobs] == [f"of {job_id}" for job_id in jobs]
    seals = await log.seal([SealRequest(job_id=job_id, status=Status.CANCELLED) for job_id in reversed(jobs)])
    assert [seal_in(seal) for seal in reversed(seals)] == [
        seal_in((await log.read(job_id, -1)).seal) for job_id in jobs
    ]
    for shard, part in enumerate(log.parts):
        assert [bool((await part.read(job_id, -1)).chunks) for job_id in jobs] == [shard == 0, shard == 1] * 2
    await log.forget(jobs[1:])
    assert [bool((await log.read(job_id, -1)).chunks) for job_id in jobs] == [True, False, False, False]


async def test_parts_are_followed_each_for_itself(shards: Shards) -> None:
    await fill(shards, 1)
    polls = [part.follow("s", {id_for(t, 1): 0}, [], 5) for t, part in zip(TENANTS, shards.journal.parts, strict=True)]
    news = await asyncio.gather(*polls)
    assert [list(each) for each in news] == [[job_id] for _, job_id in ids(1)]


async def test_the_depth_of_shards_that_answer_is_known_while_another_does_not(shards: Shards) -> None:
    await fill(shards, 1)
    assert (await known_depths(shards.journal))[PROMPTING].ready == 2
    silent = Silent(MemoryStore(Disk(uuid="silent")), ports=make_ports(), shard=1, shards=2)
    journal = ShardedJournal([shards.journals[0], silent])
    assert (await known_depths(journal))[PROMPTING].ready == 1
    with pytest.raises(UnreachableError):
        await journal.depth()
    with pytest.raises(UnreachableError):
        await known_depths(ShardedJournal([silent, silent]))


class Silent(Journal):
    """Cannot be reached."""

    async def depth(self) -> dict[str, Depth]:
        raise UnreachableError("away")
