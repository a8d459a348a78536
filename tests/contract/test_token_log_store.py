"""What every store of the token log must do, under the rules of the ledger."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.stores import StaleEpochError
from actors.token_log.ledger import Command, Forget, Ledger, Open, Reply
from actors.token_log.protocol import AppendVerdict, Logged, SealRequest
from actors.token_log.store import Head, Row, Store
from events.v1.tokens_pb2 import Chunk
from pipelines.jobs import Fault, Status
from pipelines.steps import FIRST_OPERATION
from tests.contract.token_log_stores import KINDS
from tests.factories import job_id
from tests.token_logs import TextComposer, append_of, appends, numbers, seal_in, shown, with_fence

DONE, STALE, SEALED, GAP, ERROR = AppendVerdict
Opener = Callable[[], Store]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same store again and again, as restarts do."""
    make, opened = request.param.make(tmp_path, lambda: request.getfixturevalue("postgres")), list[Store]()

    def open_one() -> Store:
        opened.append(make())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> Store:
    return opener()


def apply(store: Store, *commands: Command) -> list[Reply]:
    with store.transaction() as transaction:
        return Ledger(transaction, {}).apply(commands)


def read(store: Store, number: int = 0, after: int = -1) -> Logged:
    page = store.read(job_id(number), after)
    return Logged(page.chunks, page.seal)


def end_of(number: int = 0, *, status: Status = Status.COMPLETED, end: int | None = None) -> SealRequest:
    return SealRequest(job_id=job_id(number), status=status, end=end)


def test_what_was_appended_is_read_in_order(store: Store) -> None:
    assert apply(store, *appends("a", "b")) == [DONE] * 3
    assert numbers(read(store)) == [2, 3, 5, 6]
    assert shown(read(store)) == "ab"


def test_a_log_that_does_not_exist_reads_as_empty(store: Store) -> None:
    assert read(store) == Logged([], None)


def test_a_repeated_append_is_done_and_doubles_nothing(store: Store) -> None:
    batch = appends("a", "b")
    apply(store, *batch)
    assert apply(store, *batch) == [DONE] * 3
    assert shown(read(store)) == "ab"


def test_an_append_repeated_in_its_own_batch_doubles_nothing(store: Store) -> None:
    opening, first = appends("a")
    assert apply(store, opening, first, first) == [DONE] * 3
    assert shown(read(store)) == "a"


def test_an_append_repeated_after_the_seal_is_done(store: Store) -> None:
    batch = appends("a", close=True)
    apply(store, *batch, end_of())
    assert apply(store, *batch) == [DONE] * 3


def test_other_content_under_a_used_number_is_refused(store: Store) -> None:
    apply(store, *appends("a"))
    assert apply(store, appends("other")[1]) == [GAP]
    assert shown(read(store)) == "a"


def test_a_gap_is_refused(store: Store) -> None:
    opening, _, later = appends("a", "b")
    assert apply(store, opening, later) == [DONE, GAP]
    assert numbers(read(store)) == [2, 3]


def test_opening_shuts_out_lower_fences(store: Store) -> None:
    opening, first = appends("a", fence=1)
    apply(store, opening)
    assert apply(store, Open(job_id(), 2)) == [Logged([opening.chunk], None)]
    assert apply(store, first) == [STALE]
    assert apply(store, with_fence(first, 2)) == [DONE]


def test_opening_reads_what_its_own_batch_wrote_before(store: Store) -> None:
    opening, first = appends("a")
    _, _, logged = apply(store, opening, first, Open(job_id(), 2))
    assert logged == Logged([opening.chunk, first.chunk], None)


def test_opening_with_a_stale_fence_reads_nothing(store: Store) -> None:
    assert apply(store, Open(job_id(), 2), Open(job_id(), 1)) == [Logged([], None), None]


def test_opening_may_be_repeated(store: Store) -> None:
    assert apply(store, Open(job_id(), 2)) == apply(store, Open(job_id(), 2)) == [Logged([], None)]


def test_an_append_with_a_higher_fence_shuts_out_lower_ones(store: Store) -> None:
    opening, first, second = appends("a", "b")
    assert apply(store, opening, with_fence(first, 3), with_fence(second, 2)) == [DONE, DONE, STALE]


def test_an_append_after_the_seal_is_refused(store: Store) -> None:
    opening, first = appends("a")
    apply(store, opening, end_of(status=Status.CANCELLED))
    assert apply(store, with_fence(first, 9)) == [SEALED]
    assert shown(read(store)) == ""


def test_opening_a_sealed_log_tells_its_seal(store: Store) -> None:
    *_, seal = apply(store, *appends("a", close=True), end_of())
    (logged,) = apply(store, Open(job_id(), 9))
    assert isinstance(logged, Logged)
    assert (logged.seal, shown(logged)) == (seal, "a")


def test_the_first_seal_wins(store: Store) -> None:
    *_, first = apply(store, *appends("a"), end_of(status=Status.CANCELLED))
    assert apply(store, end_of(status=Status.FAILED, end=3)) == [first]
    assert read(store).seal == first


def test_a_closed_log_is_sealed_where_it_ends(store: Store) -> None:
    *_, data = apply(store, *appends("a", close=True), end_of(end=8))
    seal = seal_in(data if isinstance(data, bytes) else None)
    assert (seal.end, list(seal.closing)) == (8, [])
    assert (seal.terminal.sequence, seal.terminal.status) == (9, "completed")


def test_a_seal_closes_what_is_open(store: Store) -> None:
    apply(store, *appends("a", "b"), end_of(status=Status.CANCELLED))
    seal = seal_in(read(store).seal)
    (last,) = seal.closing
    assert (last.sequence, last.close_item.text, last.close_item.status) == (7, "ab", "incomplete")
    assert (seal.end, seal.terminal.sequence, seal.terminal.status) == (6, 10, "cancelled")


def test_a_seal_in_the_middle_drops_the_rest_for_every_reader(store: Store) -> None:
    apply(store, *appends("a", "b", "c", close=True))
    apply(store, end_of(end=6))
    seal = seal_in(read(store).seal)
    assert (shown(read(store)), numbers(read(store, after=4))) == ("ab", [5, 6])
    assert (seal.end, seal.closing[0].sequence, seal.closing[0].close_item.text) == (6, 7, "ab")


def test_a_seal_in_the_middle_of_a_chunk_cuts_the_chunk(store: Store) -> None:
    composer = TextComposer(job_id())
    apply(store, append_of(composer.begin() + composer.delta("a") + composer.delta("b")))
    apply(store, end_of(status=Status.FAILED, end=5))
    logged = read(store)
    assert (shown(logged), seal_in(logged.seal).end) == ("a", 5)
    assert list(Chunk.FromString(logged.chunks[0]).token_ids) == []


def test_a_seal_in_the_middle_of_an_operation_drops_the_operation(store: Store) -> None:
    apply(store, *appends(), end_of(status=Status.FAILED, end=3))
    seal = seal_in(read(store).seal)
    assert (seal.end, list(seal.closing), numbers(read(store))) == (2, [], [2])


def test_a_seal_beyond_the_log_ends_where_the_log_does(store: Store) -> None:
    apply(store, *appends("a", close=True), end_of(end=1000))
    assert seal_in(read(store).seal).end == 8


def test_a_job_that_never_ran_is_sealed(store: Store) -> None:
    request = end_of(status=Status.FAILED)._replace(fault=Fault("deadline_exceeded", "too late"))
    apply(store, request)
    seal = seal_in(read(store).seal)
    assert (seal.end, seal.terminal.sequence) == (FIRST_OPERATION - 1, FIRST_OPERATION)
    assert (seal.terminal.error.code, seal.terminal.error.message) == ("deadline_exceeded", "too late")
    assert apply(store, appends()[0]) == [SEALED]


def test_one_bad_row_among_64_fails_alone(store: Store) -> None:
    batch = [appends(number=number)[0] for number in range(64)]
    batch[17] = batch[17]._replace(chunk=b"\xff\xff")
    verdicts = apply(store, *batch)
    assert [verdicts.index(ERROR), verdicts.count(DONE)] == [17, 63]
    assert [number for number in range(64) if not read(store, number).chunks] == [17]


def test_a_chunk_that_is_not_what_its_append_says_is_refused(store: Store) -> None:
    opening, first = appends("a")
    assert apply(store, opening, first._replace(next_sequence=9)) == [DONE, ERROR]
    assert apply(store, first) == [DONE]


def test_a_failing_transaction_leaves_nothing(store: Store) -> None:
    opening, first = appends("a")
    apply(store, opening)
    row = Row(first.job_id, first.sequence, first.next_sequence, first.chunk)
    with pytest.raises(Exception, match=r".+"), store.transaction() as transaction:
        transaction.add_rows([row])
        transaction.add_rows([row])
    assert numbers(read(store)) == [2, 3]


def test_a_reply_lost_after_the_commit_is_given_again_after_a_restart(opener: Opener) -> None:
    commands: list[Command] = [*appends("a", close=True), end_of(), end_of(1, status=Status.CANCELLED)]
    lost = apply(opener(), *commands)
    restarted = opener()
    assert apply(restarted, *commands) == lost
    assert shown(read(restarted)) == "a"


def test_a_store_of_an_older_epoch_never_writes_again(opener: Opener) -> None:
    old, new = opener(), opener()
    assert new.epoch > old.epoch
    with pytest.raises(StaleEpochError):
        apply(old, *appends("a"))
    assert read(new) == Logged([], None)


def test_a_restart_keeps_the_identity_of_the_store(opener: Opener) -> None:
    assert opener().uuid == opener().uuid == "store-1"


def test_a_page_ends_where_its_bytes_do(store: Store) -> None:
    apply(store, *appends("a" * 100, "b" * 100, "c" * 100), end_of())
    first = store.read(job_id(), 4, 250)
    assert (shown(Logged(first.chunks, None)), first.cursor, first.more, first.seal) == (
        "a" * 100 + "b" * 100,
        6,
        True,
        None,
    )
    rest = store.read(job_id(), first.cursor, 250)
    assert (len(rest.chunks), rest.more, rest.seal is None) == (1, False, False)


def test_a_page_has_one_chunk_however_large(store: Store) -> None:
    apply(store, *appends("a" * 100))
    page = store.read(job_id(), 4, 1)
    assert (len(page.chunks), page.more) == (1, False)


def test_a_cursor_inside_a_chunk_gets_the_chunk(store: Store) -> None:
    apply(store, *appends("a"))
    assert numbers(read(store, after=3)) == [2, 3, 5]
    assert numbers(read(store, after=5)) == []


def test_a_forgotten_log_is_one_that_does_not_exist(store: Store) -> None:
    apply(store, *appends("a", close=True), end_of(), *appends("b", number=1))
    assert apply(store, Forget(job_id()), Forget(job_id()), Forget(job_id(7))) == [None] * 3
    assert read(store) == Logged([], None)
    assert shown(read(store, 1)) == "b"
    with store.transaction() as transaction:
        assert set(transaction.heads([job_id(), job_id(1)])) == {job_id(1)}


def test_a_head_tells_the_last_row(store: Store) -> None:
    opening, first = appends("a")
    assert apply(store, opening, first, Open(job_id(1), 3)) == [DONE, DONE, Logged([], None)]
    row = Row(job_id(), first.sequence, first.next_sequence, first.chunk)
    with store.transaction() as transaction:
        assert transaction.heads([job_id(), job_id(1)]) == {job_id(): Head(1, None, row), job_id(1): Head(3)}


def test_a_log_that_is_forgotten_in_its_own_batch_leaves_nothing(store: Store) -> None:
    opening, first = appends("a")
    replies = apply(store, opening, first, Forget(job_id()), Open(job_id(), 1))
    assert replies == [DONE, DONE, None, Logged([], None)]
    assert read(store) == Logged([], None)


def test_what_a_late_worker_writes_after_that_is_its_own(store: Store) -> None:
    opening, first = appends("a", fence=3)
    apply(store, opening, first, end_of(), Forget(job_id()))
    assert apply(store, first) == [GAP]
    assert read(store) == Logged([], None)
