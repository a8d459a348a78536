"""A write transaction of the memory store. See `store.py` for the invariants."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest

from actors.journal.census import Census, CensusRow, take_census
from actors.journal.disk import Disk
from actors.journal.errands import Errand
from actors.journal.rows import Budget, EventRow, KeyRow
from actors.journal.side_tables import MemorySideTables
from pipelines.jobs import DeadLetter, Job, Reference, StepState


class MemoryTransaction(MemorySideTables):
    """See `store.Transaction`. Works on a copy of the disk that replaces it at the commit."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.disk = disk

    def census(self) -> Census:
        """Counts of the jobs that are open."""
        return take_census(_row_of(job) for job in self.disk.jobs.values() if job.step_state is not StepState.DONE)

    def load(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of the jobs that exist."""
        return {job_id: self.disk.jobs[job_id] for job_id in ids if job_id in self.disk.jobs}

    def ready(
        self, topic: str, priorities: tuple[int, int], tenants: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Job]]:
        """Ready steps by tenant, best first."""
        lowest, highest = priorities
        found: dict[str, list[Job]] = {tenant: [] for tenant in tenants}
        for job in self._in(StepState.READY):
            if job.topic == topic and not job.suspects and job.tenant in found and lowest <= job.priority <= highest:
                found[job.tenant].append(job)
        return {tenant: nsmallest(limit, jobs, key=urgency) for tenant, jobs in found.items()}

    def suspects(self, topic: str, limit: int) -> list[Job]:
        """The group of suspects that is next."""
        jobs = [job for job in self._in(StepState.READY) if job.topic == topic and job.suspects]
        first = min((job.suspects for job in jobs), default="")
        return sorted((job for job in jobs if job.suspects == first), key=lambda job: job.id)[:limit]

    def on_trial(self, topic: str) -> bool:
        """Whether a worker tries suspects."""
        return any(job.topic == topic and job.suspects for job in self._in(StepState.CLAIMED))

    def claimed(self) -> list[Job]:
        """What is claimed."""
        return list(self._in(StepState.CLAIMED))

    def due(self, now: float, limit: int) -> list[Job]:
        """Waiting steps whose time has come."""
        jobs = [job for job in self._in(StepState.WAITING) if job.ready_at <= now]
        return sorted(jobs, key=lambda job: job.ready_at)[:limit]

    def overdue(self, now: float, limit: int) -> list[Job]:
        """Jobs past their deadline."""
        jobs = [job for job in self.disk.jobs.values() if job.deadline_at <= now and not job.status.terminal]
        return sorted(jobs, key=lambda job: job.deadline_at)[:limit]

    def nearing(self, since: float, until: float, given_s: float, limit: int) -> list[Job]:
        """Open jobs whose deadline comes near."""
        jobs = (job for job in self.disk.jobs.values() if since <= job.deadline_at <= until and not job.status.terminal)
        chosen = [job for job in jobs if not job.promotion and job.deadline_at - job.created_at > given_s]
        return sorted(chosen, key=lambda job: job.deadline_at)[:limit]

    def late(self, now: float, limit: int) -> list[Job]:
        """Claimed steps past the deadline of their attempt."""
        ends = [(job.step_deadline_at, job) for job in self._in(StepState.CLAIMED) if job.step_deadline_at is not None]
        return [job for end, job in sorted(ends, key=lambda pair: pair[0]) if end <= now][:limit]

    def spent(self, now: float, limit: int) -> list[Job]:
        """Steps whose time is over."""
        ends = [(job.step_ends_at, job) for job in self.disk.jobs.values() if job.step_ends_at is not None]
        return [job for end, job in sorted(ends, key=lambda pair: pair[0]) if end <= now][:limit]

    def attached(self, session: str, limit: int) -> list[Job]:
        """Open jobs of a session."""
        jobs = (job for job in self.disk.jobs.values() if job.attached_to == session and not job.status.terminal)
        return sorted(jobs, key=lambda job: job.id)[:limit]

    def first_events(self, job_ids: Collection[str]) -> list[bytes]:
        """The first event of each."""
        first = {row.job_id: row.data for row in reversed(self.disk.events) if row.job_id in job_ids}
        return list(first.values())

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
        del now  # nobody else puts any
        for tenant, reference, data in blobs:
            self.disk.blobs[tenant, reference.hash] = data
            self.disk.refs[tenant, reference.hash] = self.disk.refs.get((tenant, reference.hash), 0) + 1

    def refer(self, blobs: Sequence[tuple[str, Reference]]) -> None:
        """One reference more to each."""
        for tenant, reference in blobs:
            if (tenant, reference.hash) in self.disk.refs:
                self.disk.refs[tenant, reference.hash] += 1

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

    def finished(self, until: float, limit: int) -> list[Job]:
        """Sealed jobs, those first that finished first."""
        return self._sealed(self.disk.jobs.values(), until)[:limit]

    def discarded(self, until: float, limit: int, *, deleted: bool) -> list[Job]:
        """Sealed jobs that nobody keeps."""
        unstored = (job for job in self.disk.jobs.values() if not job.stored and job.deleted is deleted)
        return self._sealed(unstored, until)[:limit]

    def remove_dead_letters(self, job_ids: Sequence[str]) -> None:
        """Forget dead letters."""
        for job_id in job_ids:
            self.disk.letters.pop(job_id, None)

    def remove_jobs(self, job_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Forget jobs; their events."""
        gone = set(job_ids)
        events = [(row.tenant, row.data) for row in self.disk.events if row.job_id in gone]
        self.disk.events = [row for row in self.disk.events if row.job_id not in gone]
        for job_id in gone:
            self.disk.jobs.pop(job_id, None)
        self.remove_dead_letters(job_ids)
        return events

    def release(self, counts: Mapping[tuple[str, Reference], int]) -> list[tuple[str, Reference]]:
        """So many references fewer; what goes with the last."""
        gone = []
        for (tenant, reference), number in counts.items():
            name = (tenant, reference.hash)
            if name in self.disk.refs:
                self.disk.refs[name] -= number
                if self.disk.refs[name] <= 0:
                    del self.disk.refs[name], self.disk.blobs[name]
                    gone.append((tenant, reference))
        return gone

    def drop_keys(self, before: float, limit: int) -> int:
        """Forget old keys."""
        old = [name for name, key in self.disk.keys.items() if key.created_at < before][:limit]
        for name in old:
            del self.disk.keys[name]
        return len(old)

    def put_errands(self, errands: Sequence[Errand], due_at: float) -> None:
        """New errands."""
        for errand in errands:
            self.disk.errands += 1
            self.disk.outbox[self.disk.errands] = (due_at, errand._replace(id=self.disk.errands))

    def drop_errands(self, ids: Sequence[int]) -> None:
        """Errands that were run."""
        for errand_id in ids:
            self.disk.outbox.pop(errand_id, None)

    def postpone_errands(self, ids: Sequence[int], due_at: float) -> None:
        """Errands for later."""
        for errand_id in ids:
            if errand_id in self.disk.outbox:
                self.disk.outbox[errand_id] = (due_at, self.disk.outbox[errand_id][1])

    def _sealed(self, jobs: Iterable[Job], until: float) -> list[Job]:
        """Those of the jobs that are sealed and finished by then, oldest first."""
        ended = ((job.finished_at, job.id) for job in jobs if job.finished_at is not None)
        oldest = sorted((at, job_id) for at, job_id in ended if at <= until and job_id not in self.disk.seals)
        return [job for job in (self.disk.jobs[job_id] for _, job_id in oldest) if not self._kept(job)]

    def _kept(self, job: Job) -> bool:
        """Whether a batch still needs it."""
        batch = self.disk.batches.get(job.part_of)
        return batch is not None and bool(batch.open)

    def _in(self, state: StepState) -> Iterator[Job]:
        return (job for job in self.disk.jobs.values() if job.step_state is state)


def urgency(job: Job) -> tuple[int, float, str]:
    """The order of the ready steps of a tenant."""
    return -job.priority, job.ready_at, job.id


def _row_of(job: Job) -> CensusRow:
    return CensusRow(
        job.topic, job.tenant, job.step_state, 1, job.priority, bool(job.suspects), job.step, job.model, job.worker
    )
