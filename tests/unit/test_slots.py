import asyncio
from functools import partial

import pytest

from actors.telemetry.metrics import RecordedMetrics
from deployments.inference.slots import QueueFullError, Slots
from tests.factories import ManualClock


def make(total: int = 1, queue: int = 8) -> Slots:
    return Slots(total, model="m", metrics=RecordedMetrics(), clock=ManualClock(), queue=queue)


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


def _note(order: list[str], name: str, _: asyncio.Task[None]) -> None:
    order.append(name)
