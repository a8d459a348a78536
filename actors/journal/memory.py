"""The memory store of the journal, for tests and simulations. See `store.py` for the invariants.

`Disk` is what outlives a store object: a new store on the same disk is a restart. Jobs are kept and given as they are,
for nobody changes one in place.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from actors.journal.census import Census
from actors.journal.disk import TABLES, Disk
from actors.journal.errands import Errand
from actors.journal.memory_transaction import MemoryTransaction
from actors.journal.protocol import DeadLetterQuery, JobQuery
from actors.journal.side_tables import MemorySideReaders
from actors.stores import StaleEpochError
from pipelines.jobs import DeadLetter, Job, Reference, StepState


class MemoryStore(MemorySideReaders):
    """See `store.Store`."""

    remote = False

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self._disk = disk
        disk.epoch += 1
        self.uuid = disk.uuid
        self.epoch = disk.epoch

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """One write transaction of this epoch."""
        self._check_epoch()
        draft = copy.copy(self._disk)
        for name in TABLES:
            setattr(draft, name, copy.copy(getattr(self._disk, name)))
        yield MemoryTransaction(draft)
        self._check_epoch()
        for name in TABLES:
            setattr(self._disk, name, getattr(draft, name))

    def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        """Committed jobs by id."""
        found = [self._disk.jobs.get(job_id) for job_id in ids]
        return [job if job is not None and job.tenant == tenant and not job.deleted else None for job in found]

    def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs."""
        if query.after is not None and self.jobs(query.tenant, [query.after]) == [None]:
            raise LookupError(query.after)
        page = []
        for job in sorted(self._disk.jobs.values(), key=lambda job: job.id, reverse=not query.ascending):
            after = query.after is None or (job.id > query.after if query.ascending else job.id < query.after)
            wanted = query.status in (None, job.status) and query.model in (None, job.model)
            if job.tenant == query.tenant and not job.deleted and after and wanted:
                page.append(job)
        return page[: query.limit]

    def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """A page of dead letters."""
        page = [
            replace(letter)
            for letter in sorted(self._disk.letters.values(), key=lambda letter: letter.job_id, reverse=True)
            if letter.tenant == query.tenant
            and (not query.after or letter.job_id < query.after)
            and query.model in ("", letter.model)
            and query.code in ("", letter.code)
            and not (query.open_only and letter.redriven_as)
        ]
        return page[: query.limit]

    def events(self, job_id: str, tenant: str | None = None) -> list[bytes]:
        """All committed events of a job."""
        if tenant is not None and self.jobs(tenant, [job_id]) == [None]:
            return []
        return [row.data for row in self._disk.events if row.job_id == job_id]

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return [self._disk.blobs.get((tenant, reference.hash)) for reference in references]

    def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still open."""
        return [self._disk.jobs[job_id] for job_id in sorted(self._disk.seals)[:limit]]

    def census(self) -> Census:
        """Counts of the jobs that are open."""
        return MemoryTransaction(self._disk).census()

    def sessions(self) -> list[str]:
        """The sessions of open jobs."""
        jobs = self._disk.jobs.values()
        return sorted({job.attached_to for job in jobs if job.attached_to and not job.status.terminal})

    def errands(self, now: float, limit: int) -> list[Errand]:
        """Errands whose time has come."""
        due = sorted((due_at, errand.id) for due_at, errand in self._disk.outbox.values() if due_at <= now)
        return [self._disk.outbox[errand_id][1] for _, errand_id in due[:limit]]

    def finished_sizes(self) -> tuple[int, int]:
        """How many have finished, and their payloads' bytes."""
        jobs = [job for job in self._disk.jobs.values() if job.finished_at is not None]
        payloads = ((job.request, job.rendered, job.result, job.result) for job in jobs)
        return len(jobs), sum(reference.size for references in payloads for reference in references if reference)

    def next_ready(self, topic: str, priorities: tuple[int, int], tenant: str) -> float | None:
        """Since when a tenant's best step is ready."""
        ready = MemoryTransaction(self._disk).ready(topic, priorities, [tenant], 1)[tenant]
        return ready[0].ready_at if ready else None

    def next_suspect(self, topic: str) -> float | None:
        """Since when the suspect that has waited longest is ready."""
        suspects = (job for job in self._disk.jobs.values() if job.topic == topic and job.suspects)
        return min((job.ready_at for job in suspects if job.step_state is StepState.READY), default=None)

    def has_suspects(self, worker: str, topics: Sequence[str]) -> bool:
        """Held by the worker, or untried."""
        rows = MemoryTransaction(self._disk)
        if any(job.suspects and job.worker == worker for job in rows.claimed()):
            return True
        return any(rows.suspects(topic, 1) and not rows.on_trial(topic) for topic in topics)

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""
        return self._disk.schemas

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""
        self._check_epoch()
        self._disk.schemas = schemas

    def close(self) -> None:
        """Nothing to let go of."""

    def _check_epoch(self) -> None:
        if self._disk.epoch != self.epoch:
            raise StaleEpochError(f"epoch {self.epoch} was replaced by {self._disk.epoch}")
