"""The memory store of the journal, for tests and simulations. See `store.py` for the invariants.

`Disk` is what outlives a store object: a new store on the same disk is a restart. Jobs are kept and given as they are,
for nobody changes one in place.
"""

import copy
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from actors.journal.protocol import DeadLetterQuery, JobQuery
from actors.journal.store import Budget, Census, CensusRow, EventRow, KeyRow, take_census
from actors.stores import StaleEpochError
from pipelines.jobs import DeadLetter, Job, Reference, StepState


@dataclass(slots=True)
class Disk:
    """The committed state."""

    uuid: str
    epoch: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    seals: dict[str, None] = field(default_factory=dict)
    keys: dict[str, KeyRow] = field(default_factory=dict)
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    schemas: bytes | None = None


TABLES = ("jobs", "events", "blobs", "seals", "keys", "letters", "budgets")


class MemoryTransaction:
    """See `store.Transaction`. Works on a copy of the disk that replaces it at the commit."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def load(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of the jobs that exist."""
        return {job_id: self.disk.jobs[job_id] for job_id in ids if job_id in self.disk.jobs}

    def ready(self, topic: str, limit: int) -> list[Job]:
        """Ready steps, best first."""
        jobs = [job for job in self._in(StepState.READY) if job.topic == topic and not job.suspects]
        return sorted(jobs, key=lambda job: (-job.priority, job.ready_at, job.id))[:limit]

    def suspects(self, topic: str, limit: int) -> list[Job]:
        """The group of suspects that is next."""
        jobs = [job for job in self._in(StepState.READY) if job.topic == topic and job.suspects]
        first = min((job.suspects for job in jobs), default="")
        return sorted((job for job in jobs if job.suspects == first), key=lambda job: job.id)[:limit]

    def on_trial(self, topic: str) -> bool:
        """Whether a worker tries suspects."""
        return any(job.topic == topic and job.suspects for job in self._in(StepState.CLAIMED))

    def held(self, worker: str) -> list[Job]:
        """What the worker has claimed."""
        return [job for job in self._in(StepState.CLAIMED) if job.worker == worker]

    def due(self, now: float, limit: int) -> list[Job]:
        """Waiting steps whose time has come."""
        jobs = [job for job in self._in(StepState.WAITING) if job.ready_at <= now]
        return sorted(jobs, key=lambda job: job.ready_at)[:limit]

    def overdue(self, now: float, limit: int) -> list[Job]:
        """Jobs past their deadline."""
        jobs = [job for job in self.disk.jobs.values() if job.deadline_at <= now and not job.status.terminal]
        return sorted(jobs, key=lambda job: job.deadline_at)[:limit]

    def late(self, now: float, limit: int) -> list[Job]:
        """Claimed steps past the deadline of their attempt."""
        ends = [(job.step_deadline_at, job) for job in self._in(StepState.CLAIMED) if job.step_deadline_at is not None]
        return [job for end, job in sorted(ends, key=lambda pair: pair[0]) if end <= now][:limit]

    def insert(self, jobs: Sequence[Job]) -> None:
        """New rows."""
        for job in jobs:
            if job.id in self.disk.jobs:
                raise ValueError(f"job {job.id} is there already")
        self.update(jobs)

    def update(self, jobs: Sequence[Job]) -> None:
        """Rows that exist."""
        self.disk.jobs.update({job.id: job for job in jobs})

    def append(self, events: Sequence[EventRow]) -> None:
        """Events, in this order."""
        self.disk.events.extend(events)

    def keys(self, names: Collection[str], since: float) -> list[KeyRow]:
        """Those of the keys that are young enough."""
        found = (self.disk.keys.get(name) for name in names)
        return [key for key in found if key is not None and key.created_at >= since]

    def put_keys(self, keys: Sequence[KeyRow]) -> None:
        """New keys."""
        self.disk.keys.update({key.name: key for key in keys})

    def dead_letters(self, job_ids: Collection[str]) -> list[DeadLetter]:
        """Those that exist."""
        return [replace(self.disk.letters[job_id]) for job_id in job_ids if job_id in self.disk.letters]

    def put_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """New or redriven ones."""
        self.disk.letters.update({letter.job_id: replace(letter) for letter in letters})

    def budgets(self, tenants: Collection[str]) -> list[Budget]:
        """Those that exist."""
        return [self.disk.budgets[tenant] for tenant in tenants if tenant in self.disk.budgets]

    def add_to_budgets(self, budgets: Sequence[Budget]) -> None:
        """Add these figures."""
        for tenant, reserved, spent in budgets:
            before = self.disk.budgets.get(tenant, Budget(tenant))
            self.disk.budgets[tenant] = Budget(tenant, before.reserved + reserved, before.spent + spent)

    def put_blobs(self, blobs: Sequence[tuple[str, Reference, bytes]], now: float) -> None:
        """Small payloads."""
        del now  # memory is not swept
        self.disk.blobs.update({(tenant, reference.hash): data for tenant, reference, data in blobs})

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return [self.disk.blobs.get((tenant, reference.hash)) for reference in references]

    def open_seals(self, jobs: Sequence[Job]) -> None:
        """Logs still to be sealed."""
        self.disk.seals.update(dict.fromkeys(job.id for job in jobs))

    def drop_seals(self, job_ids: Sequence[str]) -> None:
        """Logs that are sealed."""
        for job_id in job_ids:
            self.disk.seals.pop(job_id, None)

    def _in(self, state: StepState) -> Iterator[Job]:
        return (job for job in self.disk.jobs.values() if job.step_state is state)


class MemoryStore:
    """See `store.Store`."""

    remote = False

    def __init__(self, disk: Disk) -> None:
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
        return [job if job is not None and job.tenant == tenant else None for job in found]

    def list_jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs."""
        if query.after is not None and self.jobs(query.tenant, [query.after]) == [None]:
            raise LookupError(query.after)
        page = []
        for job in sorted(self._disk.jobs.values(), key=lambda job: job.id, reverse=not query.ascending):
            after = query.after is None or (job.id > query.after if query.ascending else job.id < query.after)
            wanted = query.status in (None, job.status) and query.model in (None, job.model)
            if job.tenant == query.tenant and after and wanted:
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
        return [row.data for row in self._disk.events if row.job_id == job_id and tenant in (None, row.tenant)]

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads."""
        return [self._disk.blobs.get((tenant, reference.hash)) for reference in references]

    def unsealed(self, limit: int) -> list[Job]:
        """Terminal jobs whose logs are still open."""
        return [self._disk.jobs[job_id] for job_id in sorted(self._disk.seals)[:limit]]

    def census(self) -> Census:
        """Counts, for a journal that starts."""
        return take_census(
            CensusRow(job.topic, job.step, job.model, job.step_state, job.worker, 1) for job in self._disk.jobs.values()
        )

    def next_ready(self, topic: str) -> float | None:
        """Since when the step that is next is ready."""
        ready = MemoryTransaction(self._disk).ready(topic, 1)
        return ready[0].ready_at if ready else None

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
