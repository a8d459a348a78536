"""A job as columns."""

from dataclasses import fields
from typing import Any

from actors.journal.rows import COLUMNS, from_row, to_changes, to_row
from pipelines import transitions
from pipelines.jobs import Fault, Job, Reference, Status, StepState, Usage, evolve
from tests.factories import submit

OTHERS: dict[type, Any] = {int: 7, float: 8.5, bool: True, str: "other"}
ALL: dict[str, Any] = {
    "status": Status.FAILED,
    "step_state": StepState.DONE,
    "fault": Fault("code", "words"),
    "usage": Usage(1, 2, 3),
    "stored": False,
    "deleted": True,
    **dict.fromkeys(("request", "context", "rendered", "result"), Reference("hash", 5)),
    **dict.fromkeys(("step_deadline_at", "step_ends_at", "started_at", "finished_at"), 9.5),
    "end": 12,
}


def job() -> Job:
    return transitions.submit(submit(), 1.0).job


def test_only_what_differs_is_written_and_what_is_gone_too() -> None:
    before = evolve(job(), rendered=Reference("hash", 5), fence=2)
    after = evolve(before, rendered=None, fence=3, end=4, worker=str(before.worker))
    columns, values = to_changes(before, after)
    assert dict(zip(columns, values, strict=False)) == {"rendered": None, "fence": 3, "log_end": 4}
    assert values[-1] == before.id
    assert to_changes(before, before) == ((), [before.id])


def test_each_column_is_written_as_in_a_new_row() -> None:
    plain = job()
    rest = {field.name: OTHERS[type(getattr(plain, field.name))] for field in fields(Job) if field.name not in ALL}
    other = evolve(plain, **(rest | ALL))
    columns, values = to_changes(plain, other)
    assert sorted(columns) == sorted(COLUMNS)
    row = to_row(other)
    assert dict(zip(columns, values, strict=False)) == dict(zip(COLUMNS, row, strict=True))
    assert from_row(row) == other
