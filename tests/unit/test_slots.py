import asyncio
from functools import partial

import pytest

from actors.telemetry.metrics import RecordedMetrics
from deployments.inference.slots import GATHER_S, QueueFullError, Slots
from tests.factories import ManualClock


def make(total: int = 1, queue: int = 8, clock: ManualClock | None = None) -> Slots:
    return Slots(total, model="m", metrics=RecordedMetrics(), clock=clock or ManualClock(), queue=queue)


def ending(total: int, clock: ManualClock | None = None) -> Slots:
    """All taken, by generations that are over."""
    slots = make(total, clock=clock)
    for _ in range(total):
        slots.take()
        slots.end()
    return slots


async def waiting(slots: Slots, *priorities: int) -> list[asyncio.Task[None]]:
    """Tasks that wait for a slot, in this order of arrival."""
    tasks = [asyncio.create_task(slots.enter(priority)) for priority in priorities]
    await settle()
    return tasks


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_slot_is_taken_at_once() -> None:
    slots = make(2)
    await slots.enter(0)
    slots.take()
    assert (slots.taken, slots.free()) == (2, 0)


async def test_a_slot_given_back_goes_to_the_highest_priority_then_to_the_first() -> None:
    slots = make()
    slots.take()
    low, high, later = await waiting(slots, 0, 5, 5)
    order: list[str] = []
    for task, name in ((low, "low"), (high, "high"), (later, "later")):
        task.add_done_callback(partial(_note, order, name))
    for _ in range(3):
        slots.release()
        await settle()
    assert order == ["high", "later", "low"]
    assert slots.taken == 1


async def test_who_waits_comes_before_jobs() -> None:
    slots = make(2)
    slots.take()
    slots.take()
    await waiting(slots, 0)
    slots.release()
    assert slots.free() == 0


async def test_the_queue_is_bounded() -> None:
    slots = make(queue=1)
    slots.take()
    await waiting(slots, 0)
    with pytest.raises(QueueFullError):
        await slots.enter(9)


async def test_who_leaves_the_queue_is_passed_over() -> None:
    slots = make()
    slots.take()
    first, second = await waiting(slots, 1, 0)
    first.cancel()
    slots.release()  # before the task has heard that it is cancelled
    await settle()
    assert first.cancelled()
    assert second.done()
    assert slots.taken == 1


async def test_a_slot_in_the_hand_of_a_cancelled_one_is_given_back() -> None:
    slots = make()
    slots.take()
    (task,) = await waiting(slots, 0)
    slots.release()
    task.cancel()
    await settle()
    assert (slots.taken, slots.free()) == (0, 1)


async def test_a_place_in_the_queue_is_free_again_when_its_owner_has_left() -> None:
    slots = make(queue=1)
    slots.take()
    (task,) = await waiting(slots, 0)
    task.cancel()
    await settle()
    (other,) = await waiting(slots, 0)
    assert not other.done()
    slots.release()
    await other


async def test_claims_beyond_the_slots_are_worked_off_before_anybody_enters() -> None:
    slots = make()
    slots.take()
    slots.take()
    (task,) = await waiting(slots, 0)
    slots.release()
    await settle()
    assert not task.done()
    slots.release()
    await task
    assert slots.taken == 1


async def test_the_first_slot_waits_for_those_that_are_about_to_be_free() -> None:
    slots = ending(3)
    free = []
    for _ in range(3):
        slots.release(ended=True)
        free.append(slots.free())
    assert free == [0, 0, 3]


async def test_no_slot_waits_for_what_still_runs() -> None:
    slots = make(2)
    slots.take()
    slots.take()
    slots.end()
    slots.release(ended=True)
    assert slots.free() == 1


async def test_what_ends_after_the_first_slot_is_not_waited_for() -> None:
    slots = ending(2)
    slots.release(ended=True)
    slots.release(ended=True)
    slots.take()
    slots.end()
    assert slots.free() == 1
    slots.release(ended=True)
    assert slots.free() == 2


async def test_a_slot_waits_for_others_a_moment_only() -> None:
    clock = ManualClock()
    slots = ending(2, clock)
    slots.release(ended=True)
    freed = asyncio.create_task(slots.freed())
    await settle()
    clock.time += GATHER_S
    async with asyncio.timeout(5):
        await freed
    assert slots.free() == 1


def _note(order: list[str], name: str, _: asyncio.Task[None]) -> None:
    order.append(name)
