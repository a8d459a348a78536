"""How many slots lines of batches may have."""

from actors.telemetry.metrics import RecordedMetrics
from deployments.inference.share import QUIET_S, RESERVED
from deployments.inference.slots import Slots
from tests.factories import ManualClock


def make(total: int, clock: ManualClock) -> Slots:
    return Slots(total, model="m", metrics=RecordedMetrics(), clock=clock)


async def test_lines_never_get_the_reserved_slots() -> None:
    slots = make(8, ManualClock())
    for taken in range(8 - RESERVED):
        assert slots.free_for_lines() == 8 - RESERVED - taken
        slots.take(line=True)
    assert (slots.free(), slots.free_for_lines()) == (RESERVED, 0)
    slots.release(line=True)
    assert slots.free_for_lines() == 1


async def test_lines_get_less_for_a_while_after_other_work_was_seen() -> None:
    clock = ManualClock()
    slots = make(64, clock)
    slots.take()
    slots.release()
    assert slots.free_for_lines() == 4
    clock.time += QUIET_S
    await slots.enter(0)
    slots.release()
    clock.time += QUIET_S
    assert slots.free_for_lines() == 4
    clock.time += 1
    assert slots.free_for_lines() == 64 - RESERVED


async def test_lines_that_run_when_other_work_comes_go_on_and_no_more_begin() -> None:
    slots = make(32, ManualClock())
    for _ in range(6):
        slots.take(line=True)
        slots.begun()
    slots.take()
    assert slots.free_for_lines() == 0
    for _ in range(5):
        slots.release(line=True)
    assert slots.free_for_lines() == 1


async def test_beside_other_work_a_line_begins_when_the_one_before_it_has_begun() -> None:
    slots = make(64, ManualClock())
    slots.take(line=True)
    assert slots.free_for_lines() == 64 - RESERVED - 1
    slots.take()
    assert (slots.free_for_lines(), slots.share.portion()) == (0, 1)
    slots.begun()
    assert (slots.free_for_lines(), slots.share.portion()) == (3, 1)


async def test_other_work_that_fills_the_slots_leaves_lines_none_and_one_slot_is_enough_for_lines() -> None:
    slots = make(4, ManualClock())
    for _ in range(4):
        slots.take()
    assert slots.free_for_lines() == 0
    assert make(1, ManualClock()).free_for_lines() == 1


async def test_lines_are_claimed_by_halves() -> None:
    assert [make(total, ManualClock()).share.portion() for total in (1, 3, 8, 64)] == [1, 1, 3, 31]
