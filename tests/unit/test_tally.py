"""Jobs that come and go in one batch, counted by their kind."""

from typing import Any

from actors.journal.tally import Tally
from pipelines import transitions
from pipelines.jobs import Job, StepState, evolve
from tests.factories import claim, submit


def ready(number: int, **changes: Any) -> Job:
    return evolve(transitions.submit(submit(number), 0.0).job, **changes)


def test_each_kind_is_told_once_with_its_sum() -> None:
    tally = Tally()
    for number in range(3):
        tally.add(transitions.claim(ready(number), claim(), 1.0).job, +1)
        tally.add(ready(number), -1)
    assert [(job.step_state, by) for job, by in tally.sums()] == [(StepState.CLAIMED, 3), (StepState.READY, -3)]


def test_what_somebody_tells_apart_is_not_added_up() -> None:
    kinds: list[dict[str, Any]] = [
        {"topic": "other"},
        {"tenant": "other"},
        {"priority": 1},
        {"suspects": "some"},
        {"model": "other"},
    ]
    tally = Tally()
    for number, kind in enumerate([{}, *kinds]):
        tally.add(ready(number, **kind), +1)
    assert [by for _, by in tally.sums()] == [1] * 6


def test_who_came_and_went_and_who_is_done_is_not_counted() -> None:
    tally = Tally()
    tally.add(ready(1), +1)
    tally.add(ready(2), -1)
    tally.add(ready(3, step_state=StepState.DONE), +1)
    assert not list(tally.sums())
