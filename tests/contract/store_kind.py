"""What a store is under test: a name, and how to open it again and again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.postgres import PostgresServer

Server = Callable[[], PostgresServer]  # starts with the first store that needs it


class StoreKind(NamedTuple):
    name: str
    make: Callable[[Path, Server], Callable[[], Any]]  # a function that opens the store of this folder
