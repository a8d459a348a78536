"""The SQLite store of the journal: one file, one writer, every commit on disk. See `store.py` for the invariants."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.journal.protocol import JobQuery
from actors.journal.rows import from_row, to_changes, to_row
from actors.journal.store import Census, CensusRow, EventRow, take_census
from actors.sqlite import SqliteFile
from actors.stores import load_queries
from pipelines.jobs import Job, Reference, StepState

_HERE = Path(__file__).parent
_SQL = load_queries(_HERE / "sql" / "queries.sql")


class SqliteTransaction:
    """See `store.Transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of the jobs that exist."""
        rows = (self._connection.execute(_SQL["job"], [job_id]).fetchone() for job_id in ids)
        return {row[0]: from_row(row) for row in rows if row is not None}

    def ready(self, topic: str, limit: int) -> list[Job]:
        """Ready steps, best first."""
        return self._jobs("ready", topic, limit)

    def suspects(self, topic: str, limit: int) -> list[Job]:
        """The group of suspects that is next."""
        return self._jobs("suspects", topic, limit)

    def on_trial(self, topic: str) -> bool:
        """Whether a worker tries suspects."""
        return self._connection.execute(_SQL["on_trial"], [topic]).fetchone() is not None

    def held(self, worker: str) -> list[Job]:
        """What the worker has claimed."""
        return self._jobs("held", worker)

    def due(self, now: float, limit: int) -> list[Job]:
        """Waiting steps whose time has come."""
        return self._jobs("due", now, limit)

    def overdue(self, now: float, limit: int) -> list[Job]:
        """Jobs past their deadline."""
        return self._jobs("overdue", now, limit)

    def insert(self, jobs: Sequence[Job]) -> None:
        """New rows."""
        self._connection.executemany(_SQL["insert_job"], map(to_row, jobs))

    def update(self, jobs: Sequence[Job]) -> None:
        """Rows that exist."""
        self._connection.executemany(_SQL["update_job"], map(to_changes, jobs))

    def append(self, events: Sequence[EventRow]) -> None:
        """Events, in this order."""
        self._connection.executemany(_SQL["append_event"], events)

    def put_blobs(self, blobs: Sequence[tuple[str, Reference, bytes]], now: float) -> None:
        """Small payloads."""
        rows = ((tenant, reference.hash, data, now) for tenant, reference, data in blobs)
        self._connection.executemany(_SQL["put_blob"], rows)

    def blob(self, tenant: str, reference: Reference) -> bytes | None:
        """A small payload."""
        return _blob(self._connection, tenant, reference)

    def open_seals(self, jobs: Sequence[Job]) -> None:
        """Logs still to be sealed."""
        self._connection.executemany(_SQL["open_seal"], ((job.id, job.tenant) for job in jobs))

    def drop_seals(self, job_ids: Sequence[str]) -> None:
        """Logs that are sealed."""
        self._connection.executemany(_SQL["drop_seal"], ((job_id,) for job_id in job_ids))

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return [from_row(row) for row in self._connection.execute(_SQL[query], values)]


class SqliteStore:
    """See `store.Store`. `new_uuid` names the store if this call creates it."""

    def __init__(self, path: Path, *, new_uuid: str) -> None:
        self._file = SqliteFile(path, _HERE / "migrations", new_uuid=new_uuid)
        self._reader = self._file.reader()
        self.uuid = self._file.uuid
        self.epoch = self._file.epoch

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """One write transaction of this epoch."""
        with self._file.transaction() as connection:
            yield SqliteTransaction(connection)

    def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Committed jobs by id."""
        rows = [self._reader.execute(_SQL["job"], [job_id]).fetchone() for job_id in ids]
        return [from_row(row) if row is not None and row[1] == tenant else None for row in rows]

    def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs."""
        if query.after is not None and self.jobs(query.tenant, [query.after]) == [None]:
            raise LookupError(query.after)
        edge = query.after or ("" if query.ascending else "\U0010ffff")
        statement = _SQL["oldest_jobs" if query.ascending else "newest_jobs"]
        values = (query.tenant, edge, query.status, query.model, query.limit)
        return [from_row(row) for row in self._reader.execute(statement, values)]

    def events(self, job_id: str, tenant: str | None = None) -> list[bytes]:
        """All committed events of a job."""
        rows = self._reader.execute(_SQL["events"], [job_id])
        return [data for data, owner in rows if tenant in (None, owner)]

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return [_blob(self._reader, tenant, reference) for reference in references]

    def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still open."""
        return [from_row(row) for row in self._reader.execute(_SQL["unsealed"], [limit])]

    def census(self) -> Census:
        """Counts, for a journal that starts."""
        rows = self._reader.execute(_SQL["census"])
        return take_census(
            CensusRow(topic, step, model, StepState(state), worker, count)
            for topic, step, model, state, worker, count in rows
        )

    def next_ready(self, topic: str) -> float | None:
        """Since when the step that is next is ready."""
        row = self._reader.execute(_SQL["next_ready"], [topic]).fetchone()
        return None if row is None else row[0]

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


def _blob(connection: sqlite3.Connection, tenant: str, reference: Reference) -> bytes | None:
    row = connection.execute(_SQL["blob"], [tenant, reference.hash]).fetchone()
    return None if row is None else row[0]
