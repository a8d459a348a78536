from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from events.v1.tokens_pb2 import Chunk, Operation
from pipelines.composer import closing
from pipelines.jobs import Status
from pipelines.operations import cut, replay, span
from pipelines.steps import FIRST_OPERATION
from tests.token_logs import TextComposer

JOB = "resp_0000000000000000000000000000"
TEXTS = st.lists(st.text(max_size=5), max_size=12)
ENDINGS = st.sampled_from([None, Status.COMPLETED, Status.INCOMPLETE])


def composed(texts: Sequence[str], ending: Status | None) -> list[Operation]:
    composer = TextComposer(JOB)
    operations = composer.begin()
    for text in texts:
        operations += composer.delta(text)
    return operations + (composer.close(ending) if ending else [])


def chunked(operations: Sequence[Operation], marks: set[int]) -> list[bytes]:
    edges = [0, *sorted(mark for mark in marks if 0 < mark < len(operations)), len(operations)]
    pieces = [operations[a:b] for a, b in pairwise(edges)]
    return [Chunk(operations=piece, token_ids=range(len(piece))).SerializeToString() for piece in pieces]


@given(TEXTS, ENDINGS, st.sets(st.integers(0, 20)))
def test_a_replay_does_not_depend_on_how_the_operations_were_chunked(
    texts: list[str], ending: Status | None, marks: set[int]
) -> None:
    operations = composed(texts, ending)
    whole, split = replay(chunked(operations, set())), replay(chunked(operations, marks))
    assert (split.next_sequence, split.items) == (whole.next_sequence, whole.items)
    assert (split.open is not None, split.text) == (ending is None, "".join(texts))
    assert len(split.token_ids) == len(operations)


@given(TEXTS, ENDINGS)
def test_numbers_have_no_gaps(texts: list[str], ending: Status | None) -> None:
    operations = composed(texts, ending)
    assert span(operations) == (FIRST_OPERATION, replay(chunked(operations, set())).next_sequence)


@given(TEXTS, TEXTS, st.integers(0, 20))
def test_a_continued_job_has_the_bytes_of_an_undisturbed_one(before: list[str], after: list[str], mark: int) -> None:
    logged = composed(before, None)
    composer = TextComposer(JOB, replay(chunked(logged, {mark})))
    operations = logged + composer.begin()
    for text in after:
        operations += composer.delta(text)
    assert operations + composer.close(Status.COMPLETED) == composed([*before, *after], Status.COMPLETED)


@given(TEXTS, ENDINGS, st.sets(st.integers(0, 20)), st.integers(0, 30), st.sampled_from(Status))
def test_a_log_cut_anywhere_and_closed_is_well_formed(
    texts: list[str], ending: Status | None, marks: set[int], end: int, status: Status
) -> None:
    chunks = [kept for chunk in chunked(composed(texts, ending), marks) if (kept := cut(chunk, end))]
    state = replay(chunks)
    last = closing(JOB, state, status)
    operations = [operation for chunk in chunks for operation in Chunk.FromString(chunk).operations] + last
    kinds = [operation.WhichOneof("kind") for operation in operations]
    shown = "".join(operation.delta.text for operation in operations)
    assert not operations or span(operations)[0] == FIRST_OPERATION
    assert state.next_sequence - 1 <= max(end, FIRST_OPERATION - 1)
    assert kinds.count("open_item") == kinds.count("close_item")
    assert kinds.count("close_item") == 0 or operations[-1].close_item.text == shown
