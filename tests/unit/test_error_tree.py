import pickle

import pytest

from pipelines.commands import Remedy
from pipelines.errors import HeliographError, RejectError, StaleFenceError, TransientError, outcome_of

ERRORS = [
    RejectError("too long", code="context_length_exceeded", param="messages"),
    TransientError("busy", retry_after_s=3.0),
    StaleFenceError("resp_1"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_crosses_processes_whole(error: HeliographError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_what_a_worker_reports_says_what_to_do() -> None:
    remedies = [outcome_of(error).remedy for error in (ERRORS[0], ERRORS[1], ZeroDivisionError("boom"))]
    assert remedies == [Remedy.REJECT, Remedy.TRANSIENT, Remedy.RETRY]
    assert outcome_of(ZeroDivisionError("boom")).fault.message == "ZeroDivisionError: boom"
