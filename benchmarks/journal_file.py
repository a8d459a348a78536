"""What the journal says, read from outside: neither a WAL's readers nor Postgres' hold up the writer."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg

from actors.shards import journal_file

POLL_S = 0.02

_OPEN = "SELECT count(*) FROM jobs WHERE status IN ('queued', 'in_progress')"  # answered by a partial index
_BEGUN = "SELECT count(*) FROM jobs WHERE step = 'infer' AND step_state = 'claimed'"
_COMPLETED = "SELECT count(*) FROM jobs WHERE status = 'completed'"
_COMPLETED_IDS = "SELECT id FROM jobs WHERE status = 'completed'"
_FAILED = "SELECT count(*) FROM jobs WHERE status IN ('failed', 'cancelled')"
_OUTPUT_TOKENS = "SELECT coalesce(sum(json_extract(usage, '$[1]')), 0) FROM jobs"
_LARGEST_EVENT = "SELECT coalesce(max(length(data)), 0) FROM events"


class JournalFile:
    """Every figure is of committed, synced rows. All but `open_jobs` read every row: not while a clock runs."""

    def __init__(self, connection: sqlite3.Connection | psycopg.Connection[Any]) -> None:
        self._connection = connection

    def open_jobs(self) -> int:
        """Jobs that are not terminal."""
        return self._figure(_OPEN)

    def begun(self) -> int:
        """Jobs whose inference somebody has."""
        return self._figure(_BEGUN)

    def completed(self) -> int:
        """Jobs with a result."""
        return self._figure(_COMPLETED)

    def lost(self, ids: Iterable[str]) -> int:
        """How many of these jobs have no result."""
        return len(set(ids) - {row[0] for row in self._connection.execute(_COMPLETED_IDS)})

    def failed(self) -> int:
        """Jobs without a result."""
        return self._figure(_FAILED)

    def output_tokens(self) -> int:
        """What all jobs generated; of a file only."""
        return self._figure(_OUTPUT_TOKENS)

    def largest_event(self) -> int:
        """In bytes."""
        return self._figure(_LARGEST_EVENT)

    def wait(self, *, within_s: float) -> float:
        """The monotonic time, up to 20 ms late, at which no job was open. Raises TimeoutError."""
        deadline = monotonic() + within_s
        while self.open_jobs():
            if monotonic() > deadline:
                raise TimeoutError(f"{self.open_jobs()} jobs still open after {within_s} s")
            sleep(POLL_S)
        return monotonic()

    def _figure(self, query: str) -> int:
        (figure,) = self._connection.execute(query).fetchone() or (0,)
        return int(figure)


@contextmanager
def open_journal_file(data: Path) -> Iterator[JournalFile]:
    """The journal in this data folder."""
    with closing(sqlite3.connect(f"{journal_file(data).as_uri()}?mode=ro", uri=True)) as connection:
        yield JournalFile(connection)


@contextmanager
def open_journal_schema(database: str) -> Iterator[JournalFile]:
    """The same of a journal in Postgres."""
    with psycopg.connect(database, autocommit=True, options="-c search_path=journal_0") as connection:
        yield JournalFile(connection)
