"""The token log's stores, each with what outlives a store object."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from actors.token_log.memory import Disk, MemoryTokenStore
from actors.token_log.sqlite import SqliteTokenStore
from actors.token_log.store import Store


class StoreKind(NamedTuple):
    name: str
    make: Callable[[Path], Callable[[], Store]]  # a folder -> a function that opens the store there


def _memory(_: Path) -> Callable[[], Store]:
    disk = Disk(uuid="store-1")
    return lambda: MemoryTokenStore(disk)


def _sqlite(folder: Path) -> Callable[[], Store]:
    return lambda: SqliteTokenStore(folder / "tokens-0.sqlite", new_uuid="store-1")


KINDS: list[Any] = [StoreKind("memory", _memory), StoreKind("sqlite", _sqlite)]
