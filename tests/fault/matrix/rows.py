"""What the journal's tables say, read from outside while its writer goes on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from actors.shards import journal_file

_CLAIMED = "SELECT id, worker FROM jobs WHERE step_state = 'claimed'"
_OPEN = "SELECT id FROM jobs WHERE status IN ('queued', 'in_progress')"
_FENCES = "SELECT id, fence FROM jobs"
_COUNT = "SELECT count(*) FROM jobs"


class Rows(Protocol):
    """The journal's rows."""

    def claimed(self) -> dict[str, str]:
        """The jobs that are held, and by which worker."""

    def open(self) -> set[str]:
        """The jobs that have not ended."""

    def count(self) -> int:
        """All jobs."""

    def fences(self) -> dict[str, int]:
        """How often a step of each job was claimed."""


class _Tables:
    def __init__(self, connection: sqlite3.Connection | psycopg.Connection) -> None:
        self._connection = connection

    def claimed(self) -> dict[str, str]:
        return dict(self._connection.execute(_CLAIMED).fetchall())

    def open(self) -> set[str]:
        return {row[0] for row in self._connection.execute(_OPEN).fetchall()}

    def count(self) -> int:
        row = self._connection.execute(_COUNT).fetchone()
        assert row is not None
        return int(row[0])

    def fences(self) -> dict[str, int]:
        return dict(self._connection.execute(_FENCES).fetchall())


@contextmanager
def sqlite_rows(data: Path) -> Iterator[Rows]:
    """Those of a data folder."""
    with closing(sqlite3.connect(f"{journal_file(data).as_uri()}?mode=ro", uri=True)) as connection:
        yield _Tables(connection)


@contextmanager
def postgres_rows(url: str) -> Iterator[Rows]:
    """Those of a database."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=journal_0") as connection:
        yield _Tables(connection)
