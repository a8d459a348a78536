"""The journal in tables: what its SQL stores have in common. See `store.py` for the invariants.

A store brings its `Database`; the statements stand in `sql/`, and a job's columns in `rows.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from actors.journal.batch_table import FRAGMENTS as BATCH_FRAGMENTS
from actors.journal.census import Census
from actors.journal.errands import Errand, ErrandKind
from actors.journal.protocol import DeadLetterQuery, JobQuery
from actors.journal.rows import FRAGMENTS, from_row
from actors.journal.side_tables import SQL_FILES, SqlSideReaders
from actors.journal.tables_reads import blobs_of, census_of, jobs_by_id, letters_of
from actors.journal.tables_transaction import TablesTransaction
from actors.stores import Database, load_queries
from pipelines.jobs import DeadLetter, Job, Reference

HERE = Path(__file__).parent
_LAST = "\U0010ffff"  # sorts behind every id


def queries(dialect: str) -> dict[str, str]:
    """Every statement of the journal in this dialect."""
    names = ("queries", *SQL_FILES, dialect)
    return load_queries(*(HERE / "sql" / f"{name}.sql" for name in names), fragments=FRAGMENTS | BATCH_FRAGMENTS)


class TablesStore(SqlSideReaders):
    """See `store.Store`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.reader)
        self._database = database
        self._reader = database.reader
        self.uuid = database.uuid
        self.epoch = database.epoch
        self.remote = database.remote

    @contextmanager
    def transaction(self) -> Iterator[TablesTransaction]:
        """One write transaction of this epoch."""
        with self._database.transaction() as statements:
            yield TablesTransaction(statements)

    def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Committed jobs by id."""
        found = jobs_by_id(self._reader, ids)
        jobs = (found.get(job_id) for job_id in ids)
        return [job if job is not None and job.tenant == tenant and not job.deleted else None for job in jobs]

    def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs."""
        if query.after is not None and self.jobs(query.tenant, [query.after]) == [None]:
            raise LookupError(query.after)
        edge = query.after or ("" if query.ascending else _LAST)
        name = "oldest_jobs" if query.ascending else "newest_jobs"
        rows = self._reader.rows(name, query.tenant, edge, query.status, query.model, query.limit)
        return [from_row(row) for row in rows]

    def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page of dead letters."""
        model, code = query.model, query.code
        values = (query.tenant, query.after or _LAST, model, model, code, code, int(query.open_only), query.limit)
        return letters_of(self._reader.rows("newest_dead_letters", *values))

    def events(self, job_id: str, tenant: str | None = None) -> list[bytes]:
        """All committed events of a job."""
        if tenant is not None and self.jobs(tenant, [job_id]) == [None]:
            return []
        return [data for (data,) in self._reader.rows("events", job_id)]

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return blobs_of(self._reader, tenant, references)

    def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still open."""
        return [from_row(row) for row in self._reader.rows("unsealed", limit)]

    def census(self) -> Census:
        """Counts of the jobs that are open."""
        return census_of(self._reader)

    def sessions(self) -> list[str]:
        """The sessions of open jobs."""
        return [session for (session,) in self._reader.rows("sessions")]

    def errands(self, now: float, limit: int) -> list[Errand]:
        """Errands whose time has come."""
        return [Errand(ErrandKind(kind), *rest) for kind, *rest in self._reader.rows("errands", now, limit)]

    def finished_sizes(self) -> tuple[int, int]:
        """How many have finished, and their payloads' bytes."""
        ((jobs, size),) = self._reader.rows("finished_sizes")
        return jobs, size

    def next_ready(self, topic: str, priorities: tuple[int, int], tenant: str) -> float | None:
        """Since when a tenant's best step is ready."""
        rows = self._reader.rows("next_ready", topic, *priorities, tenant)
        return rows[0][0] if rows else None

    def next_suspect(self, topic: str) -> float | None:
        """Since when the suspect that has waited longest is ready."""
        rows = self._reader.rows("next_suspect", topic)
        return rows[0][0] if rows else None

    def has_suspects(self, worker: str, topics: Sequence[str]) -> bool:
        """Held by the worker, or untried."""
        rows = self._reader.rows
        if rows("tries", worker):
            return True
        return any(rows("next_suspect", topic) and not rows("on_trial", topic) for topic in topics)

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""
        rows = self._reader.rows("load_schemas")
        return rows[0][0] if rows else None

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""
        with self._database.transaction() as statements:
            statements.many("save_schemas", [(schemas,)])

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
