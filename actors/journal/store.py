"""The narrow protocol between the journal and a store. A store keeps rows and knows no rules.

Invariants: a transaction is all or nothing and on disk when it ends; events are read in commit order; every row
has a tenant; a store object of an older epoch can never write again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from actors.journal.census import Census
from actors.journal.errands import Errand
from actors.journal.protocol import DeadLetterQuery, JobQuery
from actors.journal.rows import Budget, EventRow, KeyRow
from actors.journal.side_tables import SideReaders, SideTables
from pipelines.jobs import DeadLetter, Job, Reference


class Transaction(SideTables, Protocol):
    """One write transaction. Later reads in it see its earlier writes."""

    def census(self) -> Census:
        """Counts of the jobs that are open."""

    def load(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of the jobs that exist."""

    def ready(
        self, topic: str, priorities: tuple[int, int], tenants: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Job]]:
        """Ready steps without a suspicion, of priorities from the first to the second, so many of each tenant.

        Each tenant's best come first: priority, then the longest wait.
        """

    def suspects(self, topic: str, limit: int) -> list[Job]:
        """The ready steps of that group of suspects which was set apart first."""

    def on_trial(self, topic: str) -> bool:
        """Whether a worker holds suspects of this topic."""

    def claimed(self) -> list[Job]:
        """The jobs whose step is claimed."""

    def due(self, now: float, limit: int) -> list[Job]:
        """Waiting steps whose time has come."""

    def overdue(self, now: float, limit: int) -> list[Job]:
        """Jobs that are not terminal and past their deadline."""

    def nearing(self, since: float, until: float, given_s: float, limit: int) -> list[Job]:
        """Open jobs with a deadline between these, earliest first, that were given longer and are not yet promoted."""

    def late(self, now: float, limit: int) -> list[Job]:
        """Claimed steps past the deadline of their attempt."""

    def spent(self, now: float, limit: int) -> list[Job]:
        """Steps whose attempts, all together, have taken the time that they have."""

    def attached(self, session: str, limit: int) -> list[Job]:
        """Jobs that are not terminal and attached to this session."""

    def first_events(self, job_ids: Collection[str]) -> list[bytes]:
        """The first event of each of these jobs."""

    def insert(self, jobs: Sequence[Job]) -> None:
        """New rows."""

    def update(self, jobs: Sequence[Job]) -> None:
        """Rows that exist."""

    def append(self, events: Sequence[EventRow]) -> None:
        """Events, in this order."""

    def keys(self, names: Collection[str], since: float) -> list[KeyRow]:
        """Those of the keys that were put at `since` or later."""

    def put_keys(self, keys: Sequence[KeyRow]) -> None:
        """New keys; one of the same name is replaced."""

    def dead_letters(self, job_ids: Collection[str]) -> list[DeadLetter]:
        """Those that exist."""

    def put_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """New ones, or what one was redriven as."""

    def budgets(self, tenants: Collection[str]) -> list[Budget]:
        """What is known of these tenants' budgets."""

    def add_to_budgets(self, budgets: Sequence[Budget]) -> None:
        """Add these figures, which may be negative, to those that are there."""

    def put_blobs(self, blobs: Sequence[tuple[str, Reference, bytes]], now: float) -> None:
        """Payloads by (tenant, reference), each referred to once more. Those that are files come without bytes."""

    def refer(self, blobs: Sequence[tuple[str, Reference]]) -> None:
        """Payloads that are there already are referred to once more."""

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""

    def open_seals(self, jobs: Sequence[Job]) -> None:
        """The logs of these jobs are still to be sealed."""

    def drop_seals(self, job_ids: Sequence[str]) -> None:
        """The logs of these jobs are sealed."""

    def finished(self, until: float, limit: int) -> list[Job]:
        """Sealed jobs that finished at `until` or before, oldest first; none that an open batch needs."""

    def discarded(self, until: float, limit: int, *, deleted: bool) -> list[Job]:
        """The same of those that are not stored, be they deleted or not."""

    def remove_dead_letters(self, job_ids: Sequence[str]) -> None:
        """Forget the dead letters of these jobs."""

    def remove_jobs(self, job_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Forget these jobs, their dead letters and their events; the events, by tenant, in no order."""

    def release(self, counts: Mapping[tuple[str, Reference], int]) -> list[tuple[str, Reference]]:
        """So many references to each payload are gone. Those that nothing refers to any more go, and are returned."""

    def drop_keys(self, before: float, limit: int) -> int:
        """Forget keys that were put before; how many."""

    def put_errands(self, errands: Sequence[Errand], due_at: float) -> None:
        """New rows of the outbox."""

    def drop_errands(self, ids: Sequence[int]) -> None:
        """Rows that are done with."""

    def postpone_errands(self, ids: Sequence[int], due_at: float) -> None:
        """Rows whose time comes later."""


class Store(SideReaders, Protocol):
    """Where the journal lives. `transaction` belongs to one thread; reads to another, or where it is remote to any."""

    uuid: str
    epoch: int
    remote: bool  # across a network: a read may take long

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A write transaction; raises StaleEpochError where a newer writer exists."""

    def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Committed jobs by id; None for unknown and deleted ones and another tenant's."""

    def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page, without deleted jobs. Raises LookupError where the cursor is unknown."""

    def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page."""

    def events(self, job_id: str, tenant: str | None = None) -> list[bytes]:
        """All committed events of a job, in commit order. Where a tenant is given, as `jobs` knows the job."""

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""

    def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still to be sealed, oldest first."""

    def census(self) -> Census:
        """Counts of the jobs that are open."""

    def sessions(self) -> list[str]:
        """The sessions to which open jobs are attached."""

    def errands(self, now: float, limit: int) -> list[Errand]:
        """Rows of the outbox whose time has come, oldest first."""

    def finished_sizes(self) -> tuple[int, int]:
        """How many jobs have finished, and the bytes of their payloads, results twice. Reads every row."""

    def next_ready(self, topic: str, priorities: tuple[int, int], tenant: str) -> float | None:
        """Since when a tenant's best step of these priorities is ready, Unix seconds; None where none is."""

    def next_suspect(self, topic: str) -> float | None:
        """Since when the suspect that has waited longest is ready."""

    def has_suspects(self, worker: str, topics: Sequence[str]) -> bool:
        """Whether the worker holds suspects, or there are some of these topics that nobody tries."""

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""

    def close(self) -> None:
        """Let go of it."""
