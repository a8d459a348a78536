import pickle

from ray import cloudpickle

from actors.rows import Rows, packed
from pipelines.commands import Answer, Verdict
from tests.factories import submit


def test_rows_arrive_as_the_plain_list() -> None:
    rows = [submit(), Answer(Verdict.DONE)]
    assert pickle.loads(cloudpickle.dumps(packed(rows))) == rows  # noqa: S301 - our own


def test_only_lists_are_packed() -> None:
    assert isinstance(packed([]), Rows)
    assert packed("text") == "text"
    assert packed(None) is None
