"""The journal in tables: what its SQL stores have in common. See `store.py` for the invariants.

A store brings its `Database`; the statements stand in `sql/`, and a job's columns in `rows.py`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from actors.journal.batch_table import FRAGMENTS as BATCH_FRAGMENTS
from actors.journal.errands import Errand, ErrandKind
from actors.journal.protocol import DeadLetterQuery, JobQuery
from actors.journal.rows import FRAGMENTS, Budget, EventRow, KeyRow, from_row, to_changes, to_row
from actors.journal.side_tables import SQL_FILES, SqlSideReaders, SqlSideTables
from actors.journal.store import Census, CensusRow, take_census
from actors.stores import Database, Reader, Statements, load_queries
from pipelines.jobs import DeadLetter, Job, Reference, StepState

HERE = Path(__file__).parent
_LAST = "\U0010ffff"  # sorts behind every id


def queries(dialect: str) -> dict[str, str]:
    """Every statement of the journal in this dialect."""
    names = ("queries", *SQL_FILES, dialect)
    return load_queries(*(HERE / "sql" / f"{name}.sql" for name in names), fragments=FRAGMENTS | BATCH_FRAGMENTS)


class TablesTransaction(SqlSideTables):
    """See `store.Transaction`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def load(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of the jobs that exist."""
        return _by_id(self._statements, ids)

    def ready(self, topic: str, limit: int) -> list[Job]:
        """Ready steps, best first."""
        return self._jobs("ready", topic, limit)

    def suspects(self, topic: str, limit: int) -> list[Job]:
        """The group of suspects that is next."""
        return self._jobs("suspects", topic, limit)

    def on_trial(self, topic: str) -> bool:
        """Whether a worker tries suspects."""
        return bool(self._statements.rows("on_trial", topic))

    def held(self, worker: str) -> list[Job]:
        """What the worker has claimed."""
        return self._jobs("held", worker)

    def due(self, now: float, limit: int) -> list[Job]:
        """Waiting steps whose time has come."""
        return self._jobs("due", now, limit)

    def overdue(self, now: float, limit: int) -> list[Job]:
        """Jobs past their deadline."""
        return self._jobs("overdue", now, limit)

    def late(self, now: float, limit: int) -> list[Job]:
        """Claimed steps past the deadline of their attempt."""
        return self._jobs("late", now, limit)

    def spent(self, now: float, limit: int) -> list[Job]:
        """Steps whose time is over."""
        return self._jobs("spent", now, limit)

    def attached(self, session: str, limit: int) -> list[Job]:
        """Open jobs of a session."""
        return self._jobs("attached", session, limit)

    def first_events(self, job_ids: Collection[str]) -> list[bytes]:
        """The first event of each."""
        return [data for (data,) in self._statements.rows("first_events", list(job_ids))] if job_ids else []

    def insert(self, jobs: Sequence[Job]) -> None:
        """New rows."""
        self._statements.many("insert_job", map(to_row, jobs))

    def update(self, jobs: Sequence[Job]) -> None:
        """Rows that exist."""
        self._statements.many("update_job", map(to_changes, jobs))

    def append(self, events: Sequence[EventRow]) -> None:
        """Events, in this order."""
        self._statements.many("append_event", events)

    def keys(self, names: Collection[str], since: float) -> list[KeyRow]:
        """Those of the keys that are young enough."""
        return [KeyRow._make(row) for row in self._statements.rows("keys", since, list(names))] if names else []

    def put_keys(self, keys: Sequence[KeyRow]) -> None:
        """New keys."""
        self._statements.many("put_key", keys)

    def dead_letters(self, job_ids: Collection[str]) -> list[DeadLetter]:
        """Those that exist."""
        return _letters(self._statements.rows("dead_letters", list(job_ids))) if job_ids else []

    def put_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """New or redriven ones."""
        self._statements.many("put_dead_letter", map(astuple, letters))

    def budgets(self, tenants: Collection[str]) -> list[Budget]:
        """Those that exist."""
        return [Budget._make(row) for row in self._statements.rows("budgets", list(tenants))] if tenants else []

    def add_to_budgets(self, budgets: Sequence[Budget]) -> None:
        """Add these figures."""
        self._statements.many("add_to_budget", budgets)

    def put_blobs(self, blobs: Sequence[tuple[str, Reference, bytes]], now: float) -> None:
        """Small payloads."""
        rows = ((tenant, reference.hash, data, now, now) for tenant, reference, data in blobs)
        self._statements.many("put_blob", rows)

    def refer(self, blobs: Sequence[tuple[str, Reference]]) -> None:
        """One reference more to each."""
        self._statements.many("refer", ((tenant, reference.hash) for tenant, reference in blobs))

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return _blobs(self._statements, tenant, references)

    def open_seals(self, jobs: Sequence[Job]) -> None:
        """Logs still to be sealed."""
        self._statements.many("open_seal", ((job.id, job.tenant) for job in jobs))

    def drop_seals(self, job_ids: Sequence[str]) -> None:
        """Logs that are sealed."""
        self._statements.many("drop_seal", ((job_id,) for job_id in job_ids))

    def finished(self, until: float, limit: int) -> list[Job]:
        """Sealed jobs, those first that finished first."""
        return self._jobs("finished", until, limit)

    def discarded(self, until: float, limit: int, *, deleted: bool) -> list[Job]:
        """Sealed jobs that nobody keeps."""
        return self._jobs("discarded", int(deleted), until, limit)

    def remove_dead_letters(self, job_ids: Sequence[str]) -> None:
        """Forget dead letters."""
        if job_ids:
            self._statements.rows("remove_dead_letters", list(job_ids))

    def remove_jobs(self, job_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Forget jobs; their events."""
        self._statements.rows("remove_jobs", list(job_ids))
        self.remove_dead_letters(job_ids)
        return [(tenant, data) for tenant, data in self._statements.rows("remove_events", list(job_ids))]

    def release(self, counts: Mapping[tuple[str, Reference], int]) -> list[tuple[str, Reference]]:
        """So many references fewer; what goes with the last."""
        self._statements.many("release", ((n, tenant, reference.hash) for (tenant, reference), n in counts.items()))
        by_tenant: dict[str, dict[str, Reference]] = {}
        for tenant, reference in counts:
            by_tenant.setdefault(tenant, {})[reference.hash] = reference
        return [
            (tenant, references[digest])
            for tenant, references in by_tenant.items()
            for (digest,) in self._statements.rows("drop_unreferred", tenant, list(references))
        ]

    def drop_keys(self, before: float, limit: int) -> int:
        """Forget old keys."""
        return len(self._statements.rows("drop_keys", before, limit))

    def put_errands(self, errands: Sequence[Errand], due_at: float) -> None:
        """New errands."""
        rows = ((errand.kind, errand.tenant, errand.subject, due_at) for errand in errands)
        self._statements.many("put_errand", rows)

    def drop_errands(self, ids: Sequence[int]) -> None:
        """Errands that were run."""
        self._statements.many("drop_errand", ((errand_id,) for errand_id in ids))

    def postpone_errands(self, ids: Sequence[int], due_at: float) -> None:
        """Errands for later."""
        self._statements.many("postpone_errand", ((due_at, errand_id) for errand_id in ids))

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return [from_row(row) for row in self._statements.rows(query, *values)]


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
        found = _by_id(self._reader, ids)
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
        return _letters(self._reader.rows("newest_dead_letters", *values))

    def events(self, job_id: str, tenant: str | None = None) -> list[bytes]:
        """All committed events of a job."""
        if tenant is not None and self.jobs(tenant, [job_id]) == [None]:
            return []
        return [data for (data,) in self._reader.rows("events", job_id)]

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return _blobs(self._reader, tenant, references)

    def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still open."""
        return [from_row(row) for row in self._reader.rows("unsealed", limit)]

    def census(self) -> Census:
        """Counts, for a journal that starts."""
        rows = self._reader.rows("census")
        return take_census(
            CensusRow(topic, step, model, StepState(state), worker, count)
            for topic, step, model, state, worker, count in rows
        )

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

    def next_ready(self, topic: str) -> tuple[float, int] | None:
        """Since when the step that is next is ready, and its priority."""
        rows = self._reader.rows("next_ready", topic)
        return (rows[0][0], rows[0][1]) if rows else None

    def has_suspects(self, worker: str, topics: Sequence[str]) -> bool:
        """Held by the worker, or untried."""
        rows = self._reader.rows
        if any(from_row(row).suspects for row in rows("held", worker)):
            return True
        return any(rows("suspects", topic, 1) and not rows("on_trial", topic) for topic in topics)

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


def _letters(rows: Iterable[Sequence[Any]]) -> list[DeadLetter]:
    names = [field.name for field in fields(DeadLetter)]
    return [DeadLetter(**dict(zip(names, row, strict=True))) for row in rows]


def _by_id(statements: Reader, ids: Iterable[str]) -> dict[str, Job]:
    wanted = list(ids)
    return {row[0]: from_row(row) for row in statements.rows("jobs", wanted)} if wanted else {}


def _blobs(statements: Reader, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
    hashes = [reference.hash for reference in references]
    found = dict(statements.rows("blobs", tenant, hashes)) if hashes else {}
    return [found.get(digest) for digest in hashes]
