"""What every Postgres store shares: how a schema is connected to, written, read and fenced.

A store is one schema of a database. The epoch row is locked in every write transaction, so a writer that was replaced
can neither begin another one nor commit after its successor has taken over. A connection that was lost is made
again by the next transaction or read; what it was doing is then unknown, and is repeated by id.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from actors.postgres_schema import prepare, take_over
from actors.stores import Reader, StaleEpochError, Statements, StoreUnavailableError

Connection: TypeAlias = psycopg.Connection[Any]
_PLACEHOLDER = re.compile(r"\?(\d*)")
_DEFAULTS = {  # what a URL may set otherwise
    "application_name": "heliograph",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}
_SESSION = """
    SELECT set_config('search_path', $1, false),
        set_config('idle_in_transaction_session_timeout', '10s', false),
        set_config('lock_timeout', '30s', false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""
_BEGIN = "BEGIN; SELECT number FROM store WHERE key = 'epoch' FOR UPDATE"  # in one message


class _TextDumper(StrDumper):
    """Postgres' text has no NUL, and UTF-8 no lone surrogates: others stand for them, so no id has them."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\ufffd").encode(errors="replace")


class PostgresStatements:
    """See `stores.Statements`."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    def rows(self, name: str, *values: Any) -> list[Any]:
        """All that the statement finds."""
        return self._connection.execute(self._queries[name], values, binary=True).fetchall()

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do the statement with each row; they are sent together, and an error may show only at the commit."""
        if values := list(rows):
            self._connection.cursor().executemany(self._queries[name], values)


class PostgresReader:
    """See `stores.Reader`. Each read is on its own; any thread may ask."""

    def __init__(self, url: str, schema: str, queries: Mapping[str, str]) -> None:
        self._url = url
        self._schema = schema
        self._queries = queries
        self._lock = Lock()
        self._given_up = False
        self._connection = connect(url, schema)

    def rows(self, name: str, *values: Any) -> list[Any]:
        """All that the statement finds; a lost connection is made again."""
        with self._lock, _translated():
            try:
                return PostgresStatements(self._connection, self._queries).rows(name, *values)
            except psycopg.OperationalError:
                if self._given_up or not self._connection.closed:
                    raise
                self._connection = connect(self._url, self._schema)
                return PostgresStatements(self._connection, self._queries).rows(name, *values)

    def close(self) -> None:
        """Hang up, behind a read that is under way; later ones fail."""
        with self._lock:
            self._given_up = True
            self._connection.close()


class PostgresDatabase:
    """See `stores.Database`. `marker` is the file that names the store, `new_uuid` its name if this call creates it."""

    remote = True

    def __init__(
        self,
        url: str,
        schema: str,
        queries: Mapping[str, str],
        migrations: Path,
        *,
        marker: Path,
        new_uuid: str,
        shards: int = 1,
    ) -> None:
        self._url = url
        self._schema = schema
        self._queries = {name: _numbered(text) for name, text in queries.items()}
        self._connection = connect(url, schema)
        with _translated(), ExitStack() as opened:
            opened.callback(self._connection.close)
            self.uuid = prepare(self._connection, schema, migrations, marker=marker, new_uuid=new_uuid, shards=shards)
            self.epoch = take_over(self._connection)
            self._reader = PostgresReader(url, schema, self._queries)
            opened.pop_all()
        self.reader: Reader = self._reader

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """One write transaction of this epoch. Statements that find nothing are not waited for one by one."""
        try:
            with _translated():
                self._begin()
                with self._connection.pipeline():
                    yield PostgresStatements(self._connection, self._queries)
                    self._connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._connection.close()

    def _begin(self) -> None:
        """Begin as the present writer, on a new connection where the old one was lost meanwhile."""
        try:
            cursor = self._connection.execute(_BEGIN)
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            self._connection = connect(self._url, self._schema)
            cursor = self._connection.execute(_BEGIN)
        cursor.nextset()
        (epoch,) = cursor.fetchone() or (None,)
        if epoch != self.epoch:
            raise StaleEpochError(f"epoch {self.epoch} of {self._schema} was replaced by {epoch}")

    def _undo(self) -> None:
        """Back to no transaction; a connection that cannot is given up, and the server undoes it."""
        try:
            self._connection.rollback()
        except psycopg.Error:
            self._connection.close()


def connect(url: str, schema: str) -> Connection:
    """A connection that works in this schema and commits to disk. Raises StoreUnavailableError."""
    with _translated():
        settings: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(url), "client_encoding": "UTF8"}
        connection = psycopg.connect(
            make_conninfo("", **settings),
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
        )
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_dumper(int, Int8Dumper)  # one type for each parameter, so one plan for each query
        connection.execute(_SESSION, [schema])
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the driver as callers know them; its message never has the password."""
    try:
        yield
    except psycopg.DataError as error:
        raise ValueError(str(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailableError(f"Postgres: {error}", retry_after_s=1.0) from error


def _numbered(query: str) -> str:
    """`?` and `?3` as Postgres writes them."""
    numbers = count(1)
    return _PLACEHOLDER.sub(lambda match: f"${match[1] or next(numbers)}", query)
