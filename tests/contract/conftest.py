from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.store import Store
from tests.contract.journal_stores import KINDS, SHARDS, WholeJournal
from tests.contract.store_kind import StoreKind
from tests.factories import ManualClock, make_ports
from tests.s3 import S3Server


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> StoreKind:
    found: StoreKind = request.param
    return found


@pytest.fixture
def open_store(request: pytest.FixtureRequest, kind: StoreKind, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the same store again and again, as restarts do."""
    make = kind.make(tmp_path, lambda: request.getfixturevalue("postgres"))
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(make())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_journal(kind: StoreKind, open_store: Callable[[], Store], clock: ManualClock) -> Callable[[], Journal]:
    disk = Disk(uuid="store-2")

    def open_shards() -> Journal:
        stores = enumerate((open_store(), MemoryStore(disk)))
        parts = [Journal(store, ports=make_ports(clock), shard=shard, shards=2) for shard, store in stores]
        return cast("Journal", WholeJournal(parts))

    return open_shards if kind is SHARDS else lambda: Journal(open_store(), ports=make_ports(clock))


@pytest.fixture
def journal(open_journal: Callable[[], Journal]) -> Journal:
    return open_journal()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty folder, or the URL of a place in an object storage that the environment leads to."""
    if request.param == "folder":
        return str(tmp_path / "place")
    server: S3Server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.new_place()
