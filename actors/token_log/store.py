"""The narrow protocol between the token log and a store. A store keeps rows and knows no rules.

Invariants: a transaction is all or nothing and on disk when it ends; a read sees committed rows only, and a seal
never without everything before it; a store object of an older epoch can never write again.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from pipelines.steps import FIRST_OPERATION


class Row(NamedTuple):
    """One serialised `Chunk`, with its first number and the one after its last."""

    job_id: str
    sequence: int
    next_sequence: int
    chunk: bytes


class Head(NamedTuple):
    """One log: the highest fence it knows, the seal once it ended, and its last row."""

    fence: int = 0
    seal: bytes | None = None
    last: Row | None = None

    @property
    def next_sequence(self) -> int:
        """The next free number."""
        return FIRST_OPERATION if self.last is None else self.last.next_sequence


class Page(NamedTuple):
    """Chunks from a cursor on, and the cursor after them. `seal` comes with the last page only."""

    chunks: list[bytes]
    cursor: int
    more: bool
    seal: bytes | None


class Transaction(Protocol):
    """One write transaction. Later reads in it see its earlier writes."""

    def heads(self, job_ids: Iterable[str]) -> dict[str, Head]:
        """Those of the logs that exist, with their last rows."""

    def rows(self, job_id: str) -> list[Row]:
        """All of a log, in order."""

    def chunk(self, job_id: str, sequence: int) -> bytes | None:
        """The chunk that begins at this number."""

    def put_heads(self, heads: Mapping[str, Head]) -> None:
        """New or changed heads; their last rows are not put."""

    def add_rows(self, rows: Sequence[Row]) -> None:
        """New rows. Raises where one is there already."""

    def drop_rows(self, job_id: str, sequence: int) -> None:
        """Forget what begins at this number or later."""

    def forget(self, job_ids: Sequence[str]) -> None:
        """Forget these logs, heads and all."""


class Store(Protocol):
    """Where token logs live. `transaction` belongs to one thread; `read` to another, or where it is remote to any."""

    uuid: str
    epoch: int
    remote: bool  # across a network: a read may take long

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A write transaction; raises StaleEpochError where a newer writer exists."""

    def read(self, job_id: str, after: int, limit: int | None = None) -> Page:
        """Committed chunks with a number above `after`: one at least, then as many as fit into `limit` bytes."""

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""

    def close(self) -> None:
        """Let go of it."""


def stored_head(
    job_id: str, fence: int, seal: bytes | None, sequence: int | None, next_sequence: int, chunk: bytes
) -> Head:
    """A head as the SQL stores find it. `sequence` is None where the log has no row."""
    return Head(fence, seal, None if sequence is None else Row(job_id, sequence, next_sequence, chunk))


def first_page(rows: Iterable[tuple[int, bytes]], seal: bytes | None, after: int, limit: int | None) -> Page:
    """The first page of what a store found: (number after the chunk, chunk), in order."""
    chunks: list[bytes] = []
    room = limit
    for next_sequence, chunk in rows:
        if chunks and room is not None and len(chunk) > room:
            return Page(chunks, after, more=True, seal=None)
        if room is not None:
            room -= len(chunk)
        chunks.append(chunk)
        after = next_sequence - 1
    return Page(chunks, after, more=False, seal=seal)
