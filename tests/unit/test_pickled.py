import pickle

from ray import cloudpickle

from actors.pickled import Pickled, pickled
from pipelines.commands import Answer, Verdict
from tests.factories import submit


def test_rows_arrive_as_the_plain_list() -> None:
    rows = [submit(), Answer(Verdict.DONE)]
    assert pickle.loads(cloudpickle.dumps(pickled(rows))) == rows  # noqa: S301 - our own


def test_only_lists_are_pickled() -> None:
    assert isinstance(pickled([]), Pickled)
    assert pickled("text") == "text"
    assert pickled(None) is None
