from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from actors.journal.census import Census
from actors.journal.journal import Journal
from actors.journal.store import Store, Transaction
from pipelines.jobs import Job
from tests.factories import PROMPTING, claim, job_id, make_ports, submit


class Fussy:
    """A transaction that refuses one job, and says when it counts."""

    def __init__(self, transaction: Transaction, store: "FussyStore") -> None:
        self._transaction = transaction
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def census(self) -> Census:
        self._store.counted += 1
        return self._transaction.census()

    def insert(self, jobs: Sequence[Job]) -> None:
        if any(job.id == self._store.refused for job in jobs):
            raise ValueError("not this one")
        self._transaction.insert(jobs)


class FussyStore:
    """A store of such transactions."""

    refused = ""
    counted = 0

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._store.transaction() as transaction:
            yield cast("Transaction", Fussy(transaction, self))


@pytest.mark.parametrize(("refused", "counted"), [(0, 1), (3, 3)])
async def test_a_batch_that_is_done_in_halves_is_counted_for_once_until_something_is_committed(
    open_store: Callable[[], Store], refused: int, counted: int
) -> None:
    store = FussyStore(open_store())
    journal = Journal(cast("Store", store), ports=make_ports())
    await journal.submit([submit(9)])
    store.refused = job_id(refused)
    with pytest.raises(ValueError, match="not this one"):
        await journal.submit([submit(number) for number in range(4)])
    left = sorted({0, 1, 2, 3, 9} - {refused})
    claims = await journal.claim(claim(slots=9))
    assert sorted(each.job_id for each in claims) == [job_id(number) for number in left]
    assert store.counted == counted
    depth = (await journal.depth())[PROMPTING]
    assert (depth.ready, depth.claimed) == (0, len(left))
