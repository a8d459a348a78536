"""The SQLite store of the token log: one file, one writer, every commit on disk. See `store.py` for the invariants."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from actors.sqlite import SqliteFile
from actors.stores import load_queries
from actors.token_log.store import Head, Page, Row, first_page, stored_head

_HERE = Path(__file__).parent
_SQL = load_queries(_HERE / "sql" / "queries.sql", _HERE / "sql" / "sqlite.sql")


class SqliteTransaction:
    """See `store.Transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def heads(self, job_ids: Iterable[str]) -> dict[str, Head]:
        """Those of the logs that exist."""
        rows = self._connection.execute(_SQL["heads"], [json.dumps(list(job_ids))])
        return {row[0]: stored_head(*row) for row in rows}

    def rows(self, job_id: str) -> list[Row]:
        """All of a log."""
        return [Row._make(row) for row in self._connection.execute(_SQL["rows"], [job_id])]

    def chunk(self, job_id: str, sequence: int) -> bytes | None:
        """The chunk that begins here."""
        row = self._connection.execute(_SQL["chunk"], [job_id, sequence]).fetchone()
        return None if row is None else row[0]

    def put_heads(self, heads: Mapping[str, Head]) -> None:
        """New or changed heads."""
        rows = ((job_id, head.fence, head.seal) for job_id, head in heads.items())
        self._connection.executemany(_SQL["put_head"], rows)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """New rows."""
        self._connection.executemany(_SQL["add_row"], rows)

    def drop_rows(self, job_id: str, sequence: int) -> None:
        """Forget the end of a log."""
        self._connection.execute(_SQL["drop_rows"], [job_id, sequence])

    def forget(self, job_ids: Sequence[str]) -> None:
        """Forget these logs."""
        for statement in ("forget_chunks", "forget_head"):
            self._connection.executemany(_SQL[statement], ((job_id,) for job_id in job_ids))


class SqliteTokenStore:
    """See `store.Store`. `new_uuid` names the store if this call creates it."""

    remote = False

    def __init__(self, path: Path, *, new_uuid: str, shards: int = 1) -> None:
        self._file = SqliteFile(path, _HERE / "migrations", new_uuid=new_uuid, shards=shards)
        self._reader = self._file.reader()
        self.uuid = self._file.uuid
        self.epoch = self._file.epoch

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """One write transaction of this epoch."""
        with self._file.transaction() as connection:
            yield SqliteTransaction(connection)

    def read(self, job_id: str, after: int, limit: int | None = None) -> Page:
        """Committed chunks after a cursor."""
        # The seal is read first: a commit between the two reads then hides the seal once, and never shows it too early.
        row = self._reader.execute(_SQL["seal"], [job_id]).fetchone()
        chunks = self._reader.execute(_SQL["read"], [job_id, after])
        try:
            return first_page(chunks, None if row is None else row[0], after, limit)
        finally:
            chunks.close()  # a half-read statement would hold back the checkpoint

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""
        row = self._reader.execute(_SQL["load_schemas"]).fetchone()
        return None if row is None else row[0]

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""
        with self._file.transaction() as connection:
            connection.execute(_SQL["save_schemas"], [schemas])

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._file.close()
