from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pipelines.commands import Failed, Remedy
from pipelines.jobs import Fault
from pipelines.retry import MAX_FAILURES, backoff_s, delay_s

FAULT = Fault("server_error", "boom")


@given(attempt=st.integers(1, 1000), seed=st.integers())
def test_backoff_doubles_up_to_a_bound(attempt: int, seed: int) -> None:
    longest = min(30.0, 0.5 * 2.0 ** min(attempt - 1, 10))
    assert longest / 2 <= backoff_s(attempt, Random(seed)) <= longest


def test_unknown_faults_get_a_bounded_number_of_attempts() -> None:
    failed = Failed(fault=FAULT, remedy=Remedy.RETRY)
    assert delay_s(failed, 9, MAX_FAILURES - 1, Random(1)) is not None
    assert delay_s(failed, 9, MAX_FAILURES, Random(1)) is None


def test_transient_faults_wait_at_least_as_long_as_asked_and_never_give_up() -> None:
    failed = Failed(fault=FAULT, remedy=Remedy.TRANSIENT, retry_after_s=45.0)
    assert delay_s(failed, 100, 0, Random(1)) == 45.0


def test_rejected_input_is_not_tried_again() -> None:
    assert delay_s(Failed(fault=FAULT, remedy=Remedy.REJECT), 1, 0, Random(1)) is None
