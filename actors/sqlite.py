"""What every SQLite store shares: how the file is opened, migrated, identified and fenced.

A commit is on disk when it returns (WAL, synchronous=FULL). The epoch row is checked in every write
transaction, so an actor that was replaced can never write again. The store's UUID stands in the file and in
a text file beside it; an empty or foreign file is refused. A first start that dies is finished by the next: the
UUID is on disk before the file is, under a name that becomes the marker's when the file is a store.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.stores import (
    ForeignStoreError,
    Reader,
    ShardCountError,
    StaleEpochError,
    Statements,
    StoreUnavailableError,
    marker_file,
    pending_file,
)

_PRIMARY = 0xFF  # of an error code; the rest tells more about it
_PASSING = (  # a disk that is full or fails, a lock that is held; anything else is a fault of ours
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
)
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 16000",  # pages, 64 MB: a page that is written often is copied, and synced, seldom
    "foreign_keys = ON",
    "busy_timeout = 5000",
)


class SqliteFile:
    """One database file with one writer, one of so many shards. Blocking; use it from one thread."""

    def __init__(self, path: Path, migrations: Path, *, new_uuid: str, shards: int = 1) -> None:
        marker = marker_file(path.parent, path.stem)
        self.uuid = _expected(path, marker, new_uuid)
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
        self._set_up(migrations)
        self._identify(marker, shards)
        self.epoch = self._take_over()

    def reader(self) -> sqlite3.Connection:
        """A further connection that only reads; it never blocks the writer."""
        connection = sqlite3.connect(
            f"file:{self.path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA query_only = ON")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction of this epoch.

        Raises StaleEpochError where a newer writer exists, StoreUnavailableError where the disk is full or fails.
        """
        try:
            with _unavailable_where_passing():
                self.connection.execute("BEGIN IMMEDIATE")
                self._check_epoch()
                yield self.connection
                self.connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def _undo(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _set_up(self, migrations: Path) -> None:
        for pragma in _PRAGMAS:
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("CREATE TABLE IF NOT EXISTS store (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
        migrate(self.connection, migrations)

    def _identify(self, marker: Path, shards: int) -> None:
        row = self.connection.execute("SELECT value FROM store WHERE key = 'uuid'").fetchone()
        first = not marker.exists()
        if first and row is None:
            self.connection.execute("INSERT OR REPLACE INTO store VALUES ('shards', ?)", [shards])
            self.connection.execute("INSERT INTO store VALUES ('uuid', ?)", [self.uuid])
        elif row is None or row[0] != self.uuid:
            raise ForeignStoreError(f"{self.path} is not the store {self.uuid}")
        created = self.connection.execute("SELECT value FROM store WHERE key = 'shards'").fetchone() or (1,)
        if created[0] != shards:
            raise ShardCountError(self.path.name, created[0], shards)
        if first:
            pending_file(marker).rename(marker)

    def _take_over(self) -> int:
        self.connection.execute("INSERT OR IGNORE INTO store VALUES ('epoch', 0)")
        row = self.connection.execute(
            "UPDATE store SET value = value + 1 WHERE key = 'epoch' RETURNING value"
        ).fetchone()
        return int(row[0])

    def _check_epoch(self) -> None:
        row = self.connection.execute("SELECT value FROM store WHERE key = 'epoch'").fetchone()
        if row[0] != self.epoch:
            raise StaleEpochError(f"epoch {self.epoch} of {self.path.name} was replaced by {row[0]}")


@contextmanager
def _unavailable_where_passing() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY not in _PASSING:
            raise
        raise StoreUnavailableError(f"SQLite: {error}", retry_after_s=1.0) from error


def migrate(connection: sqlite3.Connection, migrations: Path) -> None:
    """Do the scripts that are new, each whole or not at all. They only add, so a writer that is at work goes on."""
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    for script in sorted(migrations.glob("*.sql"))[done:]:
        done += 1
        connection.executescript(f"BEGIN IMMEDIATE;\n{script.read_text()}\nPRAGMA user_version = {done};\nCOMMIT;")


def _expected(path: Path, marker: Path, new_uuid: str) -> str:
    """The UUID that the file must have, or gets from this start or from one that died before its end."""
    pending = pending_file(marker)
    if not marker.exists() and not path.exists():
        _write_to_disk(pending, new_uuid + "\n")
        return new_uuid
    named = marker if marker.exists() else pending
    if not path.exists() or not named.exists():
        raise ForeignStoreError(f"of {path.name} and {marker.name} in {path.parent} only one is there")
    return named.read_text().strip()


def _write_to_disk(path: Path, text: str) -> None:
    """Returns when the file and its name would survive a loss of power."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class SqliteStatements:
    """See `stores.Statements`. A list is handed over as JSON."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    def rows(self, name: str, *values: Any) -> list[Any]:
        """All that the statement finds. Raises StoreUnavailableError where the disk fails or is held."""
        plain = [json.dumps(value) if isinstance(value, list) else value for value in values]
        with _unavailable_where_passing():
            return self._connection.execute(self._queries[name], plain).fetchall()

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do the statement with each row."""
        self._connection.executemany(self._queries[name], rows)


class SqliteDatabase:
    """See `stores.Database`."""

    remote = False

    def __init__(self, file: SqliteFile, queries: Mapping[str, str]) -> None:
        self._file = file
        self._queries = queries
        self._connection = file.reader()
        self.reader: Reader = SqliteStatements(self._connection, queries)
        self.uuid = file.uuid
        self.epoch = file.epoch

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """One write transaction of this epoch."""
        with self._file.transaction() as connection:
            yield SqliteStatements(connection, self._queries)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        self._file.close()
