"""Conversations and what is added to them, in every journal on every store."""

import asyncio
from collections.abc import Callable

import pytest

from actors.journal.journal import Journal
from actors.journal.store import Store
from pipelines.commands import Cancel, Payload, Redrive, Submit, Verdict
from pipelines.edits import (
    AddItems,
    Conversation,
    CreateConversation,
    DeleteConversation,
    Edit,
    Entry,
    RemoveItem,
    UpdateConversation,
)
from pipelines.jobs import Reference, Status
from tests.contract.journal_stores import with_shards
from tests.contract.test_parents import LARGE, end, give_up
from tests.factories import ManualClock, claim, generated, job_id, make_ports, payload, submit

pytestmark = with_shards

ITEMS = payload(b'[{"id": "msg_1"}]')
NAMES = {"conversation": "conv_1", "tenant": "default"}


def create(items: Payload | None = None) -> CreateConversation:
    return CreateConversation(**NAMES, metadata="{}", items=items)


def turn(number: int) -> Submit:
    return submit(number, conversation="conv_1")


async def readable(journal: Journal, *references: Reference) -> list[bool]:
    return [data is not None for data in await journal.blobs("default", references)]


async def test_what_is_made_can_be_read_and_changed(journal: Journal, clock: ManualClock) -> None:
    await journal.edit([create(ITEMS), UpdateConversation(**NAMES, metadata='{"a": "b"}')])
    expected = Conversation("conv_1", "default", clock.time, '{"a": "b"}')
    assert await journal.conversation("default", "conv_1") == expected
    assert await journal.entries("default", "conv_1") == [Entry("conv_1", ITEMS.reference)]
    assert await readable(journal, ITEMS.reference) == [True]


async def test_another_tenants_conversation_looks_unknown(journal: Journal) -> None:
    await journal.edit([create(ITEMS)])
    assert await journal.conversation("another", "conv_1") is None
    assert await journal.entries("another", "conv_1") == []
    stranger = {**NAMES, "tenant": "another"}
    edits: list[Edit] = [UpdateConversation(**stranger, metadata="{}"), DeleteConversation(**stranger)]
    answers = [*await journal.edit(edits), *await journal.submit([submit(0, conversation="conv_1", tenant="another")])]
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN] * 3


async def test_repeats_add_nothing(journal: Journal) -> None:
    more = AddItems(**NAMES, entry="items_1", items=payload(b"[2]"))
    for _ in range(2):
        await journal.edit([create(ITEMS), more, RemoveItem(**NAMES, entry="items_1", item="msg_2")])
    assert await journal.entries("default", "conv_1") == [
        Entry("conv_1", ITEMS.reference),
        Entry("items_1", payload(b"[2]").reference, removed=("msg_2",)),
    ]
    await journal.edit([DeleteConversation(**NAMES)])
    assert await readable(journal, ITEMS.reference, payload(b"[2]").reference) == [False, False]


async def test_a_completed_job_leaves_a_turn_and_any_other_leaves_none(journal: Journal) -> None:
    await journal.edit([create()])
    await end(journal, turn(0))
    await end(journal, turn(1), Status.INCOMPLETE)
    await journal.submit([turn(2)])
    await journal.cancel([Cancel(job_id=job_id(2), tenant="default")])
    await end(journal, turn(3))
    assert await journal.entries("default", "conv_1") == [
        Entry(job_id(n), turn(n).request.reference, generated().result.reference) for n in (0, 3)
    ]


@pytest.mark.parametrize("together", [True, False])
async def test_one_open_job_at_a_time_adds_to_it(journal: Journal, *, together: bool) -> None:
    await journal.edit([create()])
    calls = [journal.submit([turn(n)]) for n in range(2)]
    answers = await asyncio.gather(*calls) if together else [await call for call in calls]
    assert [answer.verdict for (answer,) in answers] == [Verdict.DONE, Verdict.LOCKED]
    assert await journal.jobs("default", [job_id(1)]) == [None]
    assert (await journal.submit([turn(0)]))[0].verdict is Verdict.DONE
    await journal.cancel([Cancel(job_id=job_id(0), tenant="default")])
    assert (await journal.submit([turn(1)]))[0].verdict is Verdict.DONE


async def test_a_passed_deadline_lets_go_of_it(journal: Journal, clock: ManualClock) -> None:
    await journal.edit([create()])
    await journal.submit([submit(0, conversation="conv_1", deadline_s=10)])
    clock.time += 11
    await journal.tick()
    assert (await journal.submit([turn(1)]))[0].verdict is Verdict.DONE


async def test_its_turns_outlive_their_jobs(journal: Journal, clock: ManualClock) -> None:
    await journal.edit([create()])
    await end(journal, turn(0))
    clock.time += 40 * 86400
    await journal.prune(10)
    assert await journal.jobs("default", [job_id(0)]) == [None]
    payloads = (turn(0).request.reference, generated().result.reference)
    assert await readable(journal, *payloads) == [True, True]
    await journal.edit([DeleteConversation(**NAMES)])
    assert await readable(journal, *payloads) == [False, False]


async def test_a_deleted_one_is_gone_and_its_open_job_goes_on(journal: Journal) -> None:
    await journal.edit([create(Payload(LARGE, None))])
    await journal.submit([turn(0)])
    assert (await journal.edit([DeleteConversation(**NAMES)]))[0].verdict is Verdict.DONE
    assert (await journal.edit([DeleteConversation(**NAMES)]))[0].verdict is Verdict.UNKNOWN
    assert await journal.conversation("default", "conv_1") is None
    assert [errand.subject for errand in await journal.errands(10)] == [LARGE.hash]
    assert (await journal.submit([turn(1)]))[0].verdict is Verdict.UNKNOWN
    assert [job.job_id for job in await journal.claim(claim())] == [job_id(0)]


async def test_a_holder_that_has_ended_unnoticed_keeps_nobody_out(
    open_store: Callable[[], Store], clock: ManualClock
) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.conversations.put([Conversation("conv_1", "default", clock.time, "{}", holder=job_id(9))])
    journal = Journal(store, ports=make_ports(clock))
    assert (await journal.submit([turn(0)]))[0].verdict is Verdict.DONE
    assert (await journal.submit([turn(1)]))[0].verdict is Verdict.LOCKED


async def test_a_dead_letter_is_not_redriven_while_another_job_adds_to_its_conversation(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.edit([create()])
    await journal.submit([turn(0)])
    await give_up(journal, 0, clock)
    await journal.submit([turn(1)])
    redrive = Redrive(job_id=job_id(0), tenant="default")
    assert (await journal.redrive([redrive]))[0].verdict is Verdict.LOCKED
    await journal.cancel([Cancel(job_id=job_id(1), tenant="default")])
    assert (await journal.redrive([redrive]))[0].verdict is Verdict.DONE
    assert (await journal.submit([turn(2)]))[0].verdict is Verdict.LOCKED
