"""A write transaction of the journal's SQL stores. See `store.py` for the invariants."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from actors.journal.census import Census
from actors.journal.errands import Errand
from actors.journal.rows import Budget, EventRow, KeyRow, from_row, to_changes, to_row
from actors.journal.side_tables import SqlSideTables
from actors.journal.tables_reads import blobs_of, census_of, jobs_by_id, letters_of
from actors.stores import Statements
from pipelines.jobs import DeadLetter, Job, Reference


class TablesTransaction(SqlSideTables):
    """See `store.Transaction`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def census(self) -> Census:
        """Counts of the jobs that are open."""
        return census_of(self._statements)

    def load(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of the jobs that exist."""
        return jobs_by_id(self._statements, ids)

    def ready(
        self, topic: str, priorities: tuple[int, int], tenants: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Job]]:
        """Ready steps by tenant, best first."""
        found: dict[str, list[Job]] = {}
        for job in self._jobs("ready", topic, *priorities, list(tenants), limit):
            found.setdefault(job.tenant, []).append(job)
        return found

    def suspects(self, topic: str, limit: int) -> list[Job]:
        """The group of suspects that is next."""
        return self._jobs("suspects", topic, limit)

    def on_trial(self, topic: str) -> bool:
        """Whether a worker tries suspects."""
        return bool(self._statements.rows("on_trial", topic))

    def claimed(self) -> list[Job]:
        """What is claimed."""
        return self._jobs("claimed")

    def due(self, now: float, limit: int) -> list[Job]:
        """Waiting steps whose time has come."""
        return self._jobs("due", now, limit)

    def overdue(self, now: float, limit: int) -> list[Job]:
        """Jobs past their deadline."""
        return self._jobs("overdue", now, limit)

    def nearing(self, since: float, until: float, given_s: float, limit: int) -> list[Job]:
        """Open jobs whose deadline comes near."""
        return self._jobs("nearing", since, until, given_s, limit)

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
        return letters_of(self._statements.rows("dead_letters", list(job_ids))) if job_ids else []

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
        return blobs_of(self._statements, tenant, references)

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
