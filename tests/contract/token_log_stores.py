"""The token log's stores, each with what outlives a store object."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.token_log.memory import Disk, MemoryTokenStore
from actors.token_log.postgres import PostgresTokenStore
from actors.token_log.sqlite import SqliteTokenStore
from actors.token_log.store import Store
from tests.contract.store_kind import Server, StoreKind


def _memory(_folder: Path, _server: Server) -> Callable[[], Store]:
    disk = Disk(uuid="store-1")
    return lambda: MemoryTokenStore(disk)


def _sqlite(folder: Path, _server: Server) -> Callable[[], Store]:
    return lambda: SqliteTokenStore(folder / "tokens-0.sqlite", new_uuid="store-1")


def _postgres(folder: Path, server: Server) -> Callable[[], Store]:
    url, schema, marker = server().url, server().new_schema(), folder / "tokens-0.uuid"
    return lambda: PostgresTokenStore(url, schema, marker=marker, new_uuid="store-1")


KINDS: list[Any] = [StoreKind("memory", _memory), StoreKind("sqlite", _sqlite), StoreKind("postgres", _postgres)]
