import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allotment import Allotment


class Rooms:
    """So many slots."""

    def __init__(self, slots: int) -> None:
        self.slots = slots

    def free_slots(self) -> int:
        return self.slots

    async def wait_for_slot(self) -> None:
        raise AssertionError("there is room")


def offer(allotment: Allotment, backlog: list[int]) -> int:
    """One slot has become free: the shard that gets it, and works it off."""
    (shard,) = [shard for shard in range(len(backlog)) if backlog[shard] and allotment.free_slots(shard)]
    allotment.begin(shard, 1)
    backlog[shard] -= 1
    allotment.answer(shard, 1, filled=True)
    allotment.end(shard)
    allotment.hear(shard, backlog[shard], 0)
    return shard


def heard(*backlog: int, slots: int = 1, priorities: tuple[int, ...] = (0, 0, 0)) -> Allotment:
    allotment = Allotment(Rooms(slots), len(backlog))
    for shard, (steps, priority) in enumerate(zip(backlog, priorities, strict=False)):
        allotment.hear(shard, steps, priority)
    return allotment


def test_slots_go_to_the_shards_in_proportion_to_their_waiting_work() -> None:
    allotment = heard(30_000, 10_000, slots=8)
    assert [allotment.free_slots(shard) for shard in (0, 1)] == [6, 2]


def test_slot_after_slot_the_proportion_holds_too() -> None:
    backlog = [30_000, 10_000]
    allotment = heard(*backlog)
    assert Counter(offer(allotment, backlog) for _ in range(400)) == {0: 300, 1: 100}


def test_the_first_step_of_a_shard_gets_the_next_slot_whatever_waits_elsewhere() -> None:
    backlog = [100_000, 0]
    allotment = heard(*backlog)
    assert [offer(allotment, backlog) for _ in range(50)] == [0] * 50
    backlog[1] = 1
    allotment.hear(1, 1, 0)
    assert offer(allotment, backlog) == 1


def test_a_little_work_is_never_starved_by_much() -> None:
    backlog = [1_000_000, 50]
    allotment = heard(*backlog)
    given = [offer(allotment, backlog) for _ in range(320)]
    assert given.count(1) >= 18


def test_a_shard_that_was_idle_has_no_claim_to_what_it_missed() -> None:
    backlog = [100, 0]
    allotment = heard(*backlog)
    for _ in range(90):
        offer(allotment, backlog)
    backlog[:] = [1000, 1000]
    for shard in (0, 1):
        allotment.hear(shard, 1000, 0)
    assert Counter(offer(allotment, backlog) for _ in range(100)) == {0: 50, 1: 50}


def test_the_highest_priority_goes_first() -> None:
    allotment = heard(1000, 3, slots=8, priorities=(0, 10))
    assert [allotment.free_slots(shard) for shard in (0, 1)] == [5, 3]


@given(st.lists(st.integers(0, 500), min_size=2, max_size=5), st.integers(1, 300), st.data())
def test_claims_together_never_ask_for_more_than_is_free(backlog: list[int], slots: int, data: st.DataObject) -> None:
    allotment = heard(*backlog, slots=slots, priorities=(0,) * 5)
    asked = 0
    for shard in data.draw(st.permutations(range(len(backlog)))):
        free = allotment.free_slots(shard)
        allotment.begin(shard, free)
        asked += free
    assert asked == slots or not any(backlog)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=5), st.integers(1, 300))
def test_somebody_with_work_is_always_offered_a_free_slot(backlog: list[int], slots: int) -> None:
    allotment = heard(*backlog, slots=slots, priorities=(0,) * 5)
    assert any(allotment.free_slots(shard) for shard in range(len(backlog)))


def test_a_claim_without_an_answer_holds_its_slots_until_it_fails_and_nobody_else() -> None:
    allotment = heard(10, 10, slots=8)
    allotment.begin(0, 4)
    assert allotment.free_slots(1) == 4
    allotment.fail(0)
    assert allotment.free_slots(1) == 8


def test_what_may_be_in_vain_leaves_a_slot_for_a_shard_that_is_idle() -> None:
    allotment = heard(1, 0, slots=8)
    assert allotment.free_slots(0) == 7
    allotment.begin(0, 7)
    assert allotment.see_ticket(1)
    assert allotment.free_slots(1) == 1


async def test_a_ticket_wakes_who_waits_for_work() -> None:
    allotment = heard(0, 0)
    waiting = asyncio.ensure_future(allotment.wait_for_work(1, 30))
    await asyncio.sleep(0)
    allotment.see_ticket(1)
    assert await waiting
    assert not await allotment.wait_for_work(0, 0)


def test_a_ticket_is_of_no_use_while_the_shards_claim_is_under_way() -> None:
    allotment = heard(0, 0)
    allotment.begin(1, 1)
    assert not allotment.see_ticket(1)
    allotment.end(1)
    assert allotment.see_ticket(1)


async def test_an_answer_wakes_who_waits_for_a_slot() -> None:
    allotment = heard(5, 5, slots=1)
    allotment.begin(0, 1)
    waiting = asyncio.ensure_future(allotment.wait_for_slot())
    await asyncio.sleep(0)
    allotment.answer(0, 0, filled=False)
    allotment.end(0)
    await asyncio.wait_for(waiting, 5)
    assert allotment.free_slots(1) == 1


@pytest.mark.parametrize(("given", "filled", "known"), [(2, True, True), (1, False, True), (0, False, False)])
async def test_a_claim_that_was_not_for_nothing_may_have_left_some(given: int, filled: bool, known: bool) -> None:
    allotment = heard(2, 0)
    allotment.answer(0, given, filled=filled)
    assert await allotment.wait_for_work(0, 0) is known
