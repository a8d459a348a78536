"""What every durable store has in common: its statements by name, and how it refuses to work."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines.errors import TransientError

T = TypeVar("T")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class ForeignStoreError(RuntimeError):
    """This is not the store that the data folder had: empty, replaced, or another's."""


class ShardCountError(RuntimeError):
    """The stores were created for another number of shards, which never changes."""

    def __init__(self, store: str, created: int, wanted: int) -> None:
        super().__init__(f"{store} was created for shards: {created}, and is opened with shards: {wanted}")


class StaleEpochError(RuntimeError):
    """A newer writer has taken over this store; this one must end."""


class StoreUnavailableError(TransientError):
    """The store did not answer; what was under way may have been done or not. Repeat it by id."""


class Reader(Protocol):
    """A connection that knows its statements by name, and only reads."""

    def rows(self, name: str, *values: Any) -> list[Any]:
        """All that the statement finds."""


class Statements(Reader, Protocol):
    """One that also writes."""

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do the statement with the values of each row, in order."""


class Database(Protocol):
    """An open SQL store: one writer, and a reader that never waits for it."""

    uuid: str
    epoch: int
    remote: bool
    reader: Reader

    def transaction(self) -> AbstractContextManager[Statements]:
        """A write transaction; raises StaleEpochError where a newer writer exists."""

    def close(self) -> None:
        """Let go of it."""


class Readable(Protocol):
    """A store, as far as it matters where its reads run."""

    remote: bool  # across a network: a read may take long


async def read_from(store: Readable, read: Callable[[], T]) -> T:
    """What the read gives. It runs off the event loop where it may take long, and at once where it is short."""
    return await asyncio.to_thread(read) if store.remote else read()


def load_queries(*paths: Path, fragments: Mapping[str, str] | None = None) -> dict[str, str]:
    """The statements of .sql files by the name in the comment `-- name: …` above each; `{name}` is a fragment."""
    queries = {}
    for path in paths:
        parts = _NAME.split(path.read_text())
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            queries[name] = text.strip().rstrip(";").format_map(fragments or {})
    return queries


def marker_file(folder: Path, name: str) -> Path:
    """The text file in the data folder that says which store belongs to it."""
    return folder / f"{name}.uuid"


def pending_file(marker: Path) -> Path:
    """What becomes the marker when a first start has come to its end."""
    return marker.with_suffix(".uuid.new")
