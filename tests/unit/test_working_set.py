from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.memory_transaction import MemoryTransaction
from actors.stores import StoreUnavailableError
from pipelines.commands import Finish, Verdict
from tests.factories import claim, finish, job_id, make_ports, rendered, submit


class FullDisk(MemoryStore):
    """Fails at the end of a transaction while it is full."""

    full = False

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with super().transaction() as transaction:
            yield transaction
            if self.full:
                raise StoreUnavailableError("full")


@pytest.fixture
def store() -> FullDisk:
    return FullDisk(Disk(uuid="one"))


@pytest.fixture
def journal(store: FullDisk) -> Journal:
    return Journal(store, ports=make_ports())


async def test_a_claim_that_was_not_written_is_not_remembered(store: FullDisk, journal: Journal) -> None:
    await journal.submit([submit()])
    store.full = True
    with pytest.raises(StoreUnavailableError):
        await journal.claim(claim())
    store.full = False
    (answer,) = await journal.finish([Finish(job_id=job_id(), fence=1, outcome=rendered())])
    assert answer.verdict is Verdict.STALE


async def test_an_outcome_that_was_not_written_may_be_reported_again(store: FullDisk, journal: Journal) -> None:
    await journal.submit([submit()])
    (claimed,) = await journal.claim(claim())
    store.full = True
    with pytest.raises(StoreUnavailableError):
        await journal.finish([finish(claimed, rendered())])
    store.full = False
    assert (await journal.finish([finish(claimed, rendered())]))[0].verdict is Verdict.DONE


async def test_what_an_earlier_journal_gave_out_is_known(store: FullDisk, journal: Journal) -> None:
    await journal.submit([submit(0), submit(1)])
    claims = await journal.claim(claim(slots=2))
    again = Journal(store, ports=make_ports())
    assert [each.job_id for each in await again.claim(claim(slots=0))] == [each.job_id for each in claims]
    answers = await again.finish([finish(each, rendered()) for each in claims])
    assert {answer.verdict for answer in answers} == {Verdict.DONE}
