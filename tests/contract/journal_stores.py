"""The journal's stores, each with what outlives a store object, and two shards that are asked as one journal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.journal.disk import Disk
from actors.journal.memory import MemoryStore
from actors.journal.postgres import PostgresStore
from actors.journal.sqlite import SqliteStore
from actors.journal.store import Store
from actors.sharded import ShardedJournal
from tests.contract.store_kind import Server, StoreKind


def _memory(_folder: Path, _server: Server) -> Callable[[], Store]:
    disk = Disk(uuid="store-1")
    return lambda: MemoryStore(disk)


def _sqlite(folder: Path, _server: Server) -> Callable[[], Store]:
    return lambda: SqliteStore(folder / "journal-0.sqlite", new_uuid="store-1")


def _postgres(folder: Path, server: Server) -> Callable[[], Store]:
    url, schema, marker = server().url, server().new_schema(), folder / "journal-0.uuid"
    return lambda: PostgresStore(url, schema, marker=marker, new_uuid="store-1")


KINDS: list[Any] = [StoreKind("memory", _memory), StoreKind("sqlite", _sqlite), StoreKind("postgres", _postgres)]
SHARDS = StoreKind("shards", _memory)
with_shards = pytest.mark.parametrize("kind", [*KINDS, SHARDS], ids=lambda kind: kind.name)


class WholeJournal(ShardedJournal):
    """Two shards. What is asked of one only is asked of the first, where the default tenant is at home."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.parts[0], name)
