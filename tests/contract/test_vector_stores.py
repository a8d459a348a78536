"""Vector stores in every journal on every store: what is attached, how indexing ends, what goes and what is found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.journal.attachments import INDEXING_S, PER_FILE_S, REMOVAL_S
from actors.journal.journal import Journal
from actors.journal.keys import KEY_LIFETIME_S
from actors.journal.limits import Limits
from actors.journal.protocol import Worker
from actors.journal.store import Store
from actors.journal.vector_queries import (
    AttachmentQuery,
    AttachmentsQuery,
    FileBatchQuery,
    LiveFiles,
    LiveQuery,
    RemovalsQuery,
    StoreQuery,
    StoresQuery,
    Window,
)
from pipelines.commands import Cancel, Failed, Key, Outcome, Redrive, Remedy, Submit, Verdict
from pipelines.edits import DeleteFile
from pipelines.jobs import Fault, Status
from pipelines.payloads import IndexRequest
from pipelines.retry import MAX_FAILURES
from pipelines.steps import INDEXING_TOPIC
from pipelines.vector_edits import (
    DAY_S,
    CancelFileBatch,
    CloseRemovals,
    CreateVectorStore,
    DeleteVectorStore,
    DetachFile,
    FileBatch,
    FileCounts,
    Removal,
    TouchVectorStore,
    UpdateAttributes,
    UpdateVectorStore,
)
from tests.contract.journal_stores import with_shards
from tests.factories import ManualClock, claim, finish, job_id, make_ports, submit
from tests.vector_stores import (
    INDEXED,
    REJECTED,
    STORE,
    attach,
    claim_files,
    file_of,
    index,
    make_store,
    put_files,
    store_of,
    to_attach,
)

pytestmark = with_shards

BROKEN = Failed(fault=Fault("server_error", "KeyError: 1"), remedy=Remedy.RETRY)


async def removals(journal: Journal) -> list[Removal]:
    return [removal._replace(id=0) for removal in await journal.parts[0].ask(RemovalsQuery(100))]


async def numbers(journal: Journal, window: Window = Window(), **query: str) -> list[int]:  # noqa: B008 - immutable
    answer = await journal.ask(AttachmentsQuery("default", "vs_1", window, **query))
    assert answer is not None
    assert answer.found is not None
    return [int(row.file.removeprefix("file-")) for row in answer.found.rows]


async def live(journal: Journal, since: int = 0) -> LiveFiles:
    found = await journal.ask(LiveQuery("default", "vs_1", since))
    assert found is not None
    return found


async def batch_of(journal: Journal, file_batch: str = "vsfb_1", store: str = "vs_1") -> FileBatch | None:
    answer = await journal.ask(FileBatchQuery("default", store, file_batch))
    assert answer is not None
    return answer.found


async def batch_counts(journal: Journal, file_batch: str = "vsfb_1") -> FileCounts:
    batch = await batch_of(journal, file_batch)
    assert batch is not None
    return batch.counts


async def is_attached(journal: Journal, number: int) -> bool:
    answer = await journal.ask(AttachmentQuery("default", "vs_1", f"file-{number}"))
    return answer is not None and answer.found is not None


async def test_a_store_is_made_changed_and_found_by_its_tenant_only(journal: Journal, clock: ManualClock) -> None:
    create = CreateVectorStore(**STORE, name="Notes", description="Mine", metadata='{"a": "b"}')
    answers = await journal.edit([create, create])
    assert [answer.verdict for answer in answers] == [Verdict.DONE] * 2
    made = await store_of(journal)
    assert (made.name, made.description, made.metadata, made.counts) == ("Notes", "Mine", '{"a": "b"}', FileCounts())
    assert (made.created_at, made.last_active_at, made.expires_at) == (clock.time, clock.time, None)
    changes = {"name": "", "expires_after_days": 2}
    stranger = UpdateVectorStore(store="vs_1", tenant="another", changes=changes)
    answers = await journal.edit([UpdateVectorStore(**STORE, changes=changes), stranger])
    assert [answer.verdict for answer in answers] == [Verdict.DONE, Verdict.UNKNOWN]
    made = await store_of(journal)
    assert (made.name, made.metadata, made.expires_at) == ("", '{"a": "b"}', clock.time + 2 * DAY_S)
    assert await journal.ask(StoreQuery("another", "vs_1")) is None


async def test_attaching_a_file_submits_the_job_that_indexes_it(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1)
    row = await file_of(journal, 1)
    assert (row.status, row.filename, row.job, row.created_at) == (Status.IN_PROGRESS, "1.txt", job_id(1), clock.time)
    assert (await store_of(journal)).counts == FileCounts(in_progress=1)
    (claimed,) = (await claim_files(journal)).values()
    assert (claimed.model, claimed.deadline_at) == ("encoder", clock.time + INDEXING_S + PER_FILE_S)
    request = IndexRequest.model_validate_json(claimed.payloads[claimed.request])
    assert request == IndexRequest(
        attachment="vsf_0001", store="vs_1", file="file-1", filename="1.txt", chunk_tokens=800, overlap_tokens=400
    )


async def test_the_end_of_the_job_is_the_files(open_journal: Callable[[], Journal]) -> None:
    journal = open_journal()
    await make_store(journal, 1, 2, 3)
    jobs = await claim_files(journal)
    outcomes: dict[int, Outcome] = {
        1: INDEXED,
        2: REJECTED,
        3: Failed(fault=Fault("too_odd", "Odd."), remedy=Remedy.REJECT),
    }
    await journal.finish([finish(jobs[job_id(number)], outcome) for number, outcome in outcomes.items()])
    await journal.finish([finish(jobs[job_id(1)], INDEXED)])  # a repeat counts once
    journal = open_journal()
    rows = [await file_of(journal, number) for number in (1, 2, 3)]
    assert [(row.status, row.usage_bytes, row.error_code) for row in rows] == [
        (Status.COMPLETED, 700, ""),
        (Status.FAILED, 0, "unsupported_file"),
        (Status.FAILED, 0, "server_error"),
    ]
    assert rows[1].error_message == "No text in it."
    store = await store_of(journal)
    assert (store.usage_bytes, store.counts) == (700, FileCounts(completed=1, failed=2))


async def test_an_unknown_file_is_named_and_nothing_is_attached(journal: Journal, clock: ManualClock) -> None:
    await put_files(journal, 1)
    await put_files(journal, 2, tenant="another")
    await put_files(journal, 3, expires_after_s=10.0)
    clock.time += 10
    for number in (2, 3, 4):
        command = CreateVectorStore(**STORE, attach=attach(1, number))
        assert (await journal.edit([command]))[0] == (Verdict.UNKNOWN, None, f"file-{number}", "")
        assert await journal.ask(StoreQuery("default", "vs_1")) is None
    assert await claim_files(journal) == {}
    assert (await journal.edit([attach(1)]))[0] == (Verdict.UNKNOWN, None, "", "")


async def test_a_store_may_begin_with_files(journal: Journal) -> None:
    await put_files(journal, 1, 2)
    command = CreateVectorStore(**STORE, attach=attach(1, 2))
    await journal.edit([command])
    await journal.edit([command])
    assert (await store_of(journal)).counts == FileCounts(in_progress=2)
    assert len(await claim_files(journal)) == 2


async def test_a_file_that_is_there_is_indexed_again_only_where_it_must_be(journal: Journal) -> None:
    await make_store(journal, 1, 2)
    jobs = await claim_files(journal)
    await journal.finish([finish(jobs[job_id(1)], INDEXED), finish(jobs[job_id(2)], REJECTED)])
    again = attach(to_attach(1, attempt=1, attributes='{"a": 1}'), to_attach(2, attempt=1))
    await journal.edit([again, again])
    assert [row.id for row in (await file_of(journal, 1), await file_of(journal, 2))] == ["vsf_0001", "vsf_0102"]
    assert (await file_of(journal, 1)).attributes == '{"a": 1}'
    assert list(await claim_files(journal)) == [job_id(102)]
    await journal.edit([attach(to_attach(1, attempt=2, tokens=100))])
    assert (await file_of(journal, 1)).id == "vsf_0201"
    store = await store_of(journal)
    assert (store.usage_bytes, store.counts) == (0, FileCounts(in_progress=2))


async def test_a_repeated_attaching_does_not_bring_back_what_was_detached(journal: Journal) -> None:
    await make_store(journal, 1)
    await journal.edit([DetachFile(**STORE, file="file-1"), attach(1)])
    assert not await is_attached(journal, 1)


async def test_a_file_that_is_named_twice_is_attached_once(journal: Journal) -> None:
    await make_store(journal)
    await put_files(journal, 1)
    await journal.edit([attach(to_attach(1), to_attach(1, attempt=1, tokens=100))])
    assert (await file_of(journal, 1)).id == "vsf_0101"
    assert list(await claim_files(journal)) == [job_id(101)]


async def test_a_detached_file_is_gone_and_its_job_is_cancelled(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1, 2)
    jobs = await claim_files(journal)
    await journal.finish([finish(jobs[job_id(2)], INDEXED)])
    stranger = DetachFile(store="vs_1", tenant="another", file="file-1")
    detach = [DetachFile(**STORE, file=f"file-{number}") for number in (1, 2)]
    answers = await journal.edit([stranger, *detach, detach[0]])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN, Verdict.DONE, Verdict.DONE, Verdict.UNKNOWN]
    assert await numbers(journal) == []
    store = await store_of(journal)
    assert (store.usage_bytes, store.counts) == (0, FileCounts())
    late = await journal.finish([finish(jobs[job_id(1)], INDEXED)])
    assert (late[0].verdict, late[0].status) == (Verdict.STALE, Status.CANCELLED)
    assert (await store_of(journal)).counts == FileCounts()
    assert await removals(journal) == []
    clock.time += REMOVAL_S
    assert await removals(journal) == [Removal("default", "vs_1", f"vsf_000{number}") for number in (1, 2)]
    first, second = await journal.parts[0].ask(RemovalsQuery(100))
    assert await journal.parts[0].ask(RemovalsQuery(1)) == [first]
    await journal.parts[0].edit([CloseRemovals(ids=(first.id,))])
    assert await journal.parts[0].ask(RemovalsQuery(100)) == [second]


@pytest.mark.parametrize(
    "end", [DetachFile(**STORE, file="file-1"), CancelFileBatch(**STORE, file_batch="vsfb_1")], ids=["detach", "cancel"]
)
async def test_what_is_still_written_of_a_file_that_was_given_up_leaves_the_index(
    end: DetachFile | CancelFileBatch, journal: Journal, clock: ManualClock
) -> None:
    await make_store(journal)
    await put_files(journal, 1)
    await journal.edit([attach(1, file_batch="vsfb_1")])
    await journal.claim(claim(INDEXING_TOPIC, limit_s=900.0))
    await journal.edit([end])
    clock.time += REMOVAL_S
    early = await journal.parts[0].ask(RemovalsQuery(100))
    await journal.parts[0].edit([CloseRemovals(ids=tuple(removal.id for removal in early))])
    clock.time += 899.0  # its worker goes on with the others of its batch, and comes to this one last
    assert await removals(journal) == []
    clock.time += 1.0
    assert await removals(journal) == [Removal("default", "vs_1", "vsf_0001")]


async def test_the_worker_of_a_detached_file_is_told_to_stop(journal: Journal) -> None:
    await make_store(journal, 1)
    await journal.register(Worker(id="w1", topic=INDEXING_TOPIC, slots=10))
    (claimed,) = (await claim_files(journal)).values()
    await journal.edit([DetachFile(**STORE, file="file-1")])
    assert (await journal.heartbeat("w1", 0.0)).revoked == [(claimed.job_id, claimed.fence)]


async def test_a_deleted_or_expired_file_leaves_every_store(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1, 2)
    await put_files(journal, 3, expires_after_s=100.0)
    other: dict[str, Any] = {"store": "vs_2", "tenant": "default"}
    await journal.edit([CreateVectorStore(**other), attach(to_attach(1, attempt=1), **other), attach(3)])
    await journal.edit([DeleteFile(file="file-1", tenant="another")])
    assert (await store_of(journal, "vs_2")).counts.total == 1
    await journal.edit([DeleteFile(file="file-1", tenant="default")])
    assert await numbers(journal) == [3, 2]
    assert (await store_of(journal, "vs_2")).counts.total == 0
    clock.time += 100
    await journal.prune(10)
    assert await numbers(journal) == [2]


async def test_a_cancelled_job_is_a_cancelled_file(journal: Journal) -> None:
    await make_store(journal, 1)
    await journal.cancel([Cancel(job_id=job_id(1), tenant="default")])
    assert (await file_of(journal, 1)).status is Status.CANCELLED
    assert (await store_of(journal)).counts == FileCounts(cancelled=1)


async def test_a_file_that_nobody_indexes_fails_at_its_deadline(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1)
    clock.time += INDEXING_S + PER_FILE_S
    await journal.tick()
    row = await file_of(journal, 1)
    assert (row.status, row.error_code) == (Status.FAILED, "server_error")
    assert row.error_message == "The job's deadline has passed."


async def test_what_was_given_up_can_be_redriven_while_its_file_is_there(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1, 2)
    for _ in range(MAX_FAILURES):
        await index(journal, BROKEN)
        clock.time += 60
        await journal.tick()
    assert (await store_of(journal)).counts == FileCounts(failed=2)
    await journal.edit([DetachFile(**STORE, file="file-2")])
    answers = await journal.redrive([Redrive(job_id=job_id(number), tenant="default") for number in (1, 2)])
    assert [answer.verdict for answer in answers] == [Verdict.DONE, Verdict.UNKNOWN]
    row = await file_of(journal, 1)
    assert (row.status, row.error_code, row.job) == (Status.IN_PROGRESS, "", answers[0].job_id)
    await index(journal)
    assert (await file_of(journal, 1)).status is Status.COMPLETED
    assert (await store_of(journal)).counts == FileCounts(completed=1)


async def test_a_batch_counts_its_files(journal: Journal) -> None:
    await make_store(journal, 1)
    await put_files(journal, 2, 3)
    await journal.edit([attach(2, 3, file_batch="vsfb_1")])
    assert await batch_counts(journal) == FileCounts(in_progress=2)
    jobs = await claim_files(journal)
    await journal.finish([finish(jobs[job_id(number)], INDEXED) for number in (1, 2)])
    assert await batch_counts(journal) == FileCounts(in_progress=1, completed=1)
    assert await numbers(journal, file_batch="vsfb_1") == [3, 2]
    assert await numbers(journal, file_batch="vsfb_1", status="completed") == [2]
    assert await journal.ask(FileBatchQuery("another", "vs_1", "vsfb_1")) is None
    await journal.edit([CreateVectorStore(store="vs_2", tenant="default")])
    assert await batch_of(journal, store="vs_2") is None


async def test_files_belong_to_the_batch_that_named_them_last(journal: Journal) -> None:
    await make_store(journal)
    await put_files(journal, 1, 2)
    await journal.edit([attach(1, 2, file_batch="vsfb_1")])
    await journal.edit([attach(to_attach(2, attempt=1), file_batch="vsfb_2")])
    assert await batch_counts(journal) == FileCounts(in_progress=1)
    await index(journal)
    assert await batch_counts(journal, "vsfb_2") == FileCounts(completed=1)
    await journal.edit([DetachFile(**STORE, file="file-1")])
    assert await batch_counts(journal) == FileCounts()


async def test_cancelling_a_batch_ends_what_is_not_indexed_yet(journal: Journal) -> None:
    await make_store(journal)
    await put_files(journal, 1, 2, 3)
    await journal.edit([attach(1, 2, file_batch="vsfb_1"), attach(3)])
    jobs = await claim_files(journal)
    await journal.finish([finish(jobs[job_id(1)], INDEXED)])
    stranger = CancelFileBatch(store="vs_1", tenant="another", file_batch="vsfb_1")
    cancel = CancelFileBatch(**STORE, file_batch="vsfb_1")
    answers = await journal.edit([stranger, cancel, cancel])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN, Verdict.DONE, Verdict.DONE]
    batch = await batch_of(journal)
    assert batch is not None
    assert (batch.cancelled, batch.counts) == (True, FileCounts(completed=1, cancelled=1))
    assert (await store_of(journal)).counts == FileCounts(in_progress=1, completed=1, cancelled=1)


async def test_a_deleted_store_is_gone_at_once_and_emptied_in_parts(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1, 2, 3)
    await journal.edit([attach(1, file_batch="vsfb_1")])
    delete = DeleteVectorStore(**STORE)
    stranger = replace(delete, tenant="another")
    answers = await journal.edit([stranger, delete, delete, attach(1)])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN, Verdict.DONE, Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert await journal.ask(StoreQuery("default", "vs_1")) is None
    assert await journal.ask(AttachmentQuery("default", "vs_1", "file-1")) is None
    assert await journal.ask(AttachmentsQuery("default", "vs_1")) is None
    assert (await journal.ask(StoresQuery("default"))).rows == []
    assert await journal.prune(2)
    assert list(await claim_files(journal)) == [job_id(3)]
    assert await journal.prune(2)
    assert not await journal.prune(2)
    (job,) = await journal.jobs("default", [job_id(3)])
    assert job is not None
    assert job.status is Status.CANCELLED
    clock.time += REMOVAL_S
    assert (await removals(journal))[-1] == Removal("default", "vs_1")
    await journal.edit([CreateVectorStore(**STORE)])  # as the rows are really gone
    assert await batch_of(journal) is None


async def test_an_expired_store_can_only_be_looked_at_and_deleted(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1, expires_after_days=1)
    await index(journal)
    clock.time += DAY_S - 1
    await journal.edit([TouchVectorStore(**STORE)])
    clock.time += DAY_S - 1
    assert not (await store_of(journal)).expired(clock.time)
    clock.time += 1
    assert (await store_of(journal)).expired(clock.time)
    update = UpdateVectorStore(**STORE, changes={"expires_after_days": None})
    answers = await journal.edit([update, TouchVectorStore(**STORE), attach(1), DetachFile(**STORE, file="file-1")])
    assert [answer.verdict for answer in answers] == [Verdict.TERMINAL] * 4
    assert await journal.prune(10)
    assert not await journal.prune(10)
    store = await store_of(journal)
    assert (store.counts, store.usage_bytes, store.ends_at) == (FileCounts(), 0, None)
    await journal.edit([DeleteVectorStore(**STORE)])
    await journal.prune(10)
    assert await journal.ask(StoreQuery("default", "vs_1")) is None


async def test_stores_are_paged_both_ways(journal: Journal) -> None:
    for number in range(1, 6):
        await journal.edit([CreateVectorStore(store=f"vs_{number}", tenant="default")])
    await journal.edit([CreateVectorStore(store="vs_9", tenant="another")])

    async def page(**window: object) -> tuple[str, bool]:
        found = await journal.ask(StoresQuery("default", Window(**window)))  # type: ignore[arg-type]
        return "".join(row.id[-1] for row in found.rows), found.has_more

    assert await page() == ("54321", False)
    assert await page(limit=2) == ("54", True)
    assert await page(limit=2, after="vs_4") == ("32", True)
    assert await page(limit=2, after="vs_2") == ("1", False)
    assert await page(limit=2, before="vs_2") == ("43", True)
    assert await page(limit=2, before="vs_4") == ("5", False)
    assert await page(limit=2, ascending=True, after="vs_1") == ("23", True)
    assert await page(limit=2, ascending=True, before="vs_4") == ("23", True)
    assert await page(after="vs_5", before="vs_2") == ("43", False)


async def test_files_are_paged_by_status_behind_a_file(journal: Journal) -> None:
    await make_store(journal, 1, 2, 3, 4)
    jobs = await claim_files(journal)
    await journal.finish([finish(jobs[job_id(number)], INDEXED) for number in (1, 3)])
    assert await numbers(journal) == [4, 3, 2, 1]
    assert await numbers(journal, Window(after="file-3", limit=1)) == [2]
    assert await numbers(journal, Window(before="file-2", limit=1)) == [3]
    assert await numbers(journal, Window(ascending=True), status="completed") == [1, 3]
    assert await numbers(journal, Window(after="file-2"), status="in_progress") == []
    with pytest.raises(LookupError):
        await numbers(journal, Window(after="file-9"))


async def test_a_search_is_told_what_has_changed(journal: Journal) -> None:
    await make_store(journal, 1, 2)
    assert (await live(journal)).files == []
    jobs = await claim_files(journal)
    await journal.finish([finish(jobs[job_id(1)], INDEXED)])
    first = await live(journal)
    assert (first.whole, [row.file for row in first.files]) == (True, ["file-1"])
    await journal.finish([finish(jobs[job_id(2)], INDEXED)])
    second = await live(journal, first.store.version)
    assert (second.whole, [row.file for row in second.files]) == (False, ["file-2"])
    await journal.edit([UpdateAttributes(**STORE, file="file-1", attributes='{"a": 1}')])
    third = await live(journal, second.store.version)
    assert (third.whole, [row.attributes for row in third.files]) == (False, ['{"a": 1}'])
    assert (await live(journal, third.store.version)).files == []
    await journal.edit([DetachFile(**STORE, file="file-1")])
    fourth = await live(journal, third.store.version)
    assert (fourth.whole, [row.file for row in fourth.files]) == (True, ["file-2"])
    assert await journal.ask(LiveQuery("another", "vs_1")) is None


async def test_attributes_of_what_is_not_there_cannot_be_changed(journal: Journal) -> None:
    await make_store(journal, 1)
    change = UpdateAttributes(**STORE, file="file-2", attributes="{}")
    assert (await journal.edit([change]))[0] == (Verdict.UNKNOWN, None, "file-2", "")


async def test_files_to_index_are_part_of_the_backlog(open_store: Callable[[], Store], clock: ManualClock) -> None:
    journal = Journal(open_store(), ports=make_ports(clock), limits=Limits(backlog=2))
    await make_store(journal)
    await put_files(journal, 1, 2, 3)
    answers = await journal.edit([attach(1, 2, 3), attach(1), attach(2), attach(3)])
    assert [answer.verdict for answer in answers] == [Verdict.FULL, Verdict.DONE, Verdict.DONE, Verdict.FULL]
    full: list[Submit] = [submit(9)]
    assert (await journal.submit(full))[0].verdict is Verdict.FULL
    assert (await journal.edit([DetachFile(**STORE, file="file-1")]))[0].verdict is Verdict.DONE


async def test_a_job_that_has_indexed_goes_soon(journal: Journal, clock: ManualClock) -> None:
    await make_store(journal, 1)
    await index(journal)
    await journal.mark_sealed([job_id(1)])
    clock.time += 120
    await journal.prune(10)
    assert await journal.jobs("default", [job_id(1)]) == [None]
    assert (await file_of(journal, 1)).status is Status.COMPLETED


async def test_a_key_makes_one_store_and_one_batch(journal: Journal, clock: ManualClock) -> None:
    await put_files(journal, 1, 2)
    key, other, of_batch = Key("stores", "word", "f1"), Key("stores", "word", "f2"), Key("batches", "word", "f1")
    again: dict[str, Any] = {"store": "vs_2"}
    create = CreateVectorStore(**STORE, key=key)
    answers = await journal.edit([create, replace(create, **again), replace(create, key=other, **again)])
    assert [(answer.verdict, answer.job_id) for answer in answers] == [
        (Verdict.DONE, ""),
        (Verdict.DONE, "vs_1"),
        (Verdict.CONFLICT, ""),
    ]
    batch = attach(1, 2, file_batch="vsfb_1", key=of_batch)
    later = attach(to_attach(1, attempt=1), file_batch="vsfb_2", key=of_batch)
    assert [answer.job_id for answer in await journal.edit([batch, batch, later])] == ["", "", "vsfb_1"]
    assert await batch_counts(journal) == FileCounts(in_progress=2)
    await journal.edit([DeleteVectorStore(**STORE)])
    assert (await journal.edit([replace(create, **again)]))[0].job_id == ""
    clock.time += KEY_LIFETIME_S + 1
    third = replace(create, store="vs_3")
    assert (await journal.edit([third]))[0] == (Verdict.DONE, None, "", "")
