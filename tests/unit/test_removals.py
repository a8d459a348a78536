"""What leaves the index, and that nothing is forgotten before it has."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.journal.attachments import REMOVAL_S
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.vector_queries import RemovalsQuery
from deployments.knowledge.removals import IDLE_S, Removals
from pipelines.errors import TransientError
from pipelines.vector_edits import CreateVectorStore, DeleteVectorStore, DetachFile
from tests.factories import ManualClock, make_ports
from tests.vector_stores import STORE, attach, make_store, to_attach


class Index:
    """Notes what it is told; fails where it is broken."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, list[str]]] = []
        self.dropped: list[str] = []
        self.broken = False

    async def remove(self, _: str, store: str, attachments: Sequence[str]) -> None:
        if self.broken:
            raise TransientError("broken")
        self.removed.append((store, list(attachments)))

    async def drop(self, _: str, store: str) -> None:
        self.dropped.append(store)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal(clock: ManualClock) -> Journal:
    return Journal(MemoryStore(Disk(uuid="one")), ports=make_ports(clock))


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture
def removals(journal: Journal, clock: ManualClock, index: Index, slept: list[float]) -> Removals:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Removals(index, journal=journal, ports=replace(make_ports(clock), sleep=sleep))


async def test_the_chunks_of_a_store_leave_together(
    journal: Journal, removals: Removals, index: Index, clock: ManualClock, slept: list[float]
) -> None:
    await make_store(journal, 1, 2)
    await journal.edit([CreateVectorStore(store="vs_2", tenant="default")])
    await journal.edit([attach(to_attach(1, attempt=1), store="vs_2")])
    await journal.edit([DetachFile(**STORE, file=f"file-{number}") for number in (1, 2)])
    await journal.edit([DetachFile(store="vs_2", tenant="default", file="file-1")])
    await removals.carry_out()
    assert (index.removed, slept) == ([], [IDLE_S])
    clock.time += REMOVAL_S
    await removals.carry_out()
    assert index.removed == [("vs_1", ["vsf_0001", "vsf_0002"]), ("vs_2", ["vsf_0101"])]
    await removals.carry_out()
    assert (len(index.removed), slept) == (2, [IDLE_S, IDLE_S])


async def test_a_store_that_goes_takes_its_files_along(
    journal: Journal, removals: Removals, index: Index, clock: ManualClock
) -> None:
    await make_store(journal, 1)
    await journal.edit([DeleteVectorStore(**STORE)])
    await journal.prune(10)
    clock.time += REMOVAL_S
    await removals.carry_out()
    assert (index.dropped, index.removed) == (["vs_1"], [])


async def test_what_fails_is_to_be_done_again(
    journal: Journal, removals: Removals, index: Index, clock: ManualClock
) -> None:
    await make_store(journal, 1)
    await journal.edit([DetachFile(**STORE, file="file-1")])
    clock.time += REMOVAL_S
    index.broken = True
    with pytest.raises(TransientError):
        await removals.carry_out()
    assert len(await journal.ask(RemovalsQuery(10))) == 1
    index.broken = False
    await removals.carry_out()
    assert await journal.ask(RemovalsQuery(10)) == []
