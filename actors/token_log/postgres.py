"""The Postgres store of the token log: a schema with one writer. See `store.py` for the invariants."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from actors.postgres import PostgresDatabase
from actors.stores import Statements, load_queries
from actors.token_log.store import Head, Page, Row, first_page, stored_head

_HERE = Path(__file__).parent
_SQL = load_queries(_HERE / "sql" / "queries.sql", _HERE / "sql" / "postgres.sql")
_NO_LIMIT = 1 << 62


class PostgresTransaction:
    """See `store.Transaction`."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def heads(self, job_ids: Iterable[str]) -> dict[str, Head]:
        """Those of the logs that exist."""
        return {row[0]: stored_head(*row) for row in self._statements.rows("heads", list(job_ids))}

    def rows(self, job_id: str) -> list[Row]:
        """All of a log."""
        return [Row._make(row) for row in self._statements.rows("rows", job_id)]

    def chunk(self, job_id: str, sequence: int) -> bytes | None:
        """The chunk that begins here."""
        rows = self._statements.rows("chunk", job_id, sequence)
        return rows[0][0] if rows else None

    def put_heads(self, heads: Mapping[str, Head]) -> None:
        """New or changed heads."""
        self._statements.many("put_head", ((job_id, head.fence, head.seal) for job_id, head in heads.items()))

    def add_rows(self, rows: Sequence[Row]) -> None:
        """New rows."""
        self._statements.many("add_row", rows)

    def drop_rows(self, job_id: str, sequence: int) -> None:
        """Forget the end of a log."""
        self._statements.many("drop_rows", [(job_id, sequence)])

    def forget(self, job_ids: Sequence[str]) -> None:
        """Forget these logs."""
        for statement in ("forget_chunks", "forget_head"):
            self._statements.many(statement, ((job_id,) for job_id in job_ids))


class PostgresTokenStore:
    """See `store.Store`. `new_uuid` names the store if this call creates it."""

    remote = True

    def __init__(self, url: str, schema: str, *, marker: Path, new_uuid: str, shards: int = 1) -> None:
        self._database = PostgresDatabase(
            url, schema, _SQL, _HERE / "migrations" / "postgres", marker=marker, new_uuid=new_uuid, shards=shards
        )
        self.uuid = self._database.uuid
        self.epoch = self._database.epoch

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """One write transaction of this epoch."""
        with self._database.transaction() as statements:
            yield PostgresTransaction(statements)

    def read(self, job_id: str, after: int, limit: int | None = None) -> Page:
        """Committed chunks after a cursor."""
        # The seal is read first: a commit between the two reads then hides the seal once, and never shows it too early.
        seals = self._database.reader.rows("seal", job_id)
        chunks = self._database.reader.rows("read", job_id, after, _NO_LIMIT if limit is None else limit)
        return first_page(chunks, seals[0][0] if seals else None, after, limit)

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""
        rows = self._database.reader.rows("load_schemas")
        return rows[0][0] if rows else None

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""
        with self._database.transaction() as statements:
            statements.many("save_schemas", [(schemas,)])

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
