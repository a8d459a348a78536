import pytest

from events.ids import derived_id
from events.v1.tokens_pb2 import Chunk, Operation
from pipelines.composer import Composer, closing
from pipelines.jobs import Status
from pipelines.operations import EMPTY, Kind, Piece, cut, fold, replay, span
from tests.token_logs import TextComposer

JOB = "resp_0000000000000000000000000000"


def chunk_of(*operations: Operation, **fields: str) -> bytes:
    return Chunk(operations=operations, token_ids=[7] * len(operations), **fields).SerializeToString()


def test_a_stream_takes_one_number_per_event_that_readers_see() -> None:
    composer = TextComposer(JOB)
    operations = composer.begin() + composer.delta("a") + composer.delta("b") + composer.close(Status.COMPLETED)
    kinds = [(operation.sequence, operation.count, operation.WhichOneof("kind")) for operation in operations]
    assert kinds == [
        (2, 1, "in_progress"),
        (3, 2, "open_item"),
        (5, 1, "delta"),
        (6, 1, "delta"),
        (7, 3, "close_item"),
    ]
    assert composer.next_sequence == 10


def test_the_closed_item_has_the_whole_text_and_an_id_of_the_job() -> None:
    composer = TextComposer(JOB)
    composer.begin()
    composer.delta("Par")
    composer.delta("is")
    item = composer.close(Status.INCOMPLETE)[0].close_item
    assert (item.item_id, item.text, item.status) == (derived_id("msg", JOB), "Paris", "incomplete")


def test_no_text_makes_no_operation_in_an_open_item() -> None:
    composer = TextComposer(JOB)
    composer.begin()
    assert composer.delta("") == []


THOUGHT_AND_CALLS = [
    Piece(text="Hm", kind=Kind.REASONING),
    Piece(text="", kind=Kind.FUNCTION_CALL, name="find"),
    Piece(text="{}", kind=Kind.FUNCTION_CALL, name="find"),
    Piece(text="[]", kind=Kind.FUNCTION_CALL, name="read", opens=True),
]


def said(composer: Composer, pieces: list[Piece]) -> list[Operation]:
    return composer.begin() + [operation for piece in pieces for operation in composer.say(piece)]


def test_items_follow_each_other_with_ids_of_their_places() -> None:
    composer = Composer(JOB)
    operations = said(composer, THOUGHT_AND_CALLS) + composer.close(Status.COMPLETED)
    assert [(item.kind, item.item_id, item.call_id, item.text, item.status) for item in fold(operations)] == [
        (Kind.REASONING, derived_id("rs", JOB), "", "Hm", "completed"),
        (Kind.FUNCTION_CALL, derived_id("fc", JOB, 1), derived_id("call", JOB, 1), "{}", "completed"),
        (Kind.FUNCTION_CALL, derived_id("fc", JOB, 2), derived_id("call", JOB, 2), "[]", "completed"),
    ]
    assert list(fold(operations)) == composer.items
    assert [operation.count for operation in operations] == [1, 2, 1, 3, 1, 1, 2, 1, 1, 2]


@pytest.mark.parametrize("cut_at", range(len(THOUGHT_AND_CALLS) + 1))
def test_a_log_of_many_items_is_gone_on_with(cut_at: int) -> None:
    undisturbed = said(Composer(JOB), THOUGHT_AND_CALLS)
    before = said(Composer(JOB), THOUGHT_AND_CALLS[:cut_at])
    after = said(Composer(JOB, replay([chunk_of(*before)])), THOUGHT_AND_CALLS[cut_at:])
    assert before + after == undisturbed


def test_an_empty_log_has_nothing_to_close() -> None:
    assert replay([]) == EMPTY
    assert closing(JOB, EMPTY, Status.CANCELLED) == []


def test_a_log_remembers_fingerprint_tokens_and_finish_reason() -> None:
    composer = TextComposer(JOB)
    first = chunk_of(*composer.begin(), engine_fingerprint="engine")
    last = chunk_of(*composer.close(Status.COMPLETED), finish_reason="stop")
    state = replay([first, last])
    assert (state.engine_fingerprint, state.token_ids, state.finish_reason) == ("engine", (7, 7, 7), "stop")


def test_a_begun_log_is_not_begun_again() -> None:
    composer = TextComposer(JOB)
    state = replay([chunk_of(*composer.begin())])
    assert TextComposer(JOB, state).begin() == []


@pytest.mark.parametrize("status", [Status.INCOMPLETE, Status.FAILED, Status.CANCELLED])
def test_only_a_completed_job_completes_its_item(status: Status) -> None:
    state = replay([chunk_of(*TextComposer(JOB).begin())])
    assert closing(JOB, state, status)[0].close_item.status == "incomplete"


def test_a_chunk_that_is_cut_loses_its_tokens() -> None:
    chunk = chunk_of(*TextComposer(JOB).begin(), finish_reason="stop")
    kept = Chunk.FromString(cut(chunk, 3))  # in the middle of the opening
    assert ([operation.sequence for operation in kept.operations], list(kept.token_ids)) == ([2], [])
    assert kept.finish_reason == ""
    assert cut(chunk, 4) == chunk
    assert cut(chunk, 1) == b""


def test_a_gap_in_the_numbers_is_an_error() -> None:
    composer = TextComposer(JOB)
    composer.begin()
    first, _, last = composer.delta("a") + composer.delta("b") + composer.delta("c")
    with pytest.raises(ValueError, match=r"operation 7 .* where 6 is next"):
        span([first, last])
