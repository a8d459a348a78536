from actors.pickled import packed, unpacked
from pipelines.commands import Answer, Claim, Verdict
from tests.factories import submit


def test_lists_and_claims_travel_as_bytes() -> None:
    claim = Claim(claim_id="claim_1", topic="prompting", worker="worker", slots=3)
    for value in ([submit(), Answer(Verdict.DONE)], [], claim):
        assert isinstance(packed(value), bytes)
        assert unpacked(packed(value)) == value


def test_all_else_is_left_to_ray() -> None:
    for value in ("text", None, 3, {"key": [1]}, Answer(Verdict.DONE)):
        assert packed(value) is value
        assert unpacked(value) is value
