"""The rows as the commands of one batch have left them so far, and what they say; written at a flush.

What followers, dispatcher and workers must hear of is gathered in `effects`, which counts only once the transaction
has committed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from actors.journal.census import CensusRow, row_of
from actors.journal.effects import Effects
from actors.journal.envelopes import seal_envelope
from actors.journal.retention import unlink
from actors.journal.rows import EventRow
from actors.journal.store import Transaction
from actors.journal.turns import Turns
from actors.journal.working_set import WorkingSet
from actors.telemetry.logs import StateChange
from pipelines.changes import Change
from pipelines.commands import INLINE_BYTES, Payload
from pipelines.jobs import DeadLetter, Job, Reference, StepState
from pipelines.steps import SEALED, UNAWAITED

# What happens on the way of a job that goes well. Of those that come by the thousand, so is their end.
_ROUTINE = frozenset(
    {"JobSubmitted", "ContextRetrieved", "ContextReranked", "PromptRendered", "InferenceStarted", "InferenceCompleted"}
)
_ENDS = frozenset({"ResultStored", "JobIncomplete"})


class Draft:
    """One batch's. `on_end` hears of each job that becomes terminal, while the transaction is open."""

    def __init__(
        self,
        transaction: Transaction,
        turns: Turns,
        working: WorkingSet,
        *,
        now: float,
        new_id: Callable[[str], str],
        on_end: Callable[[Change], None],
    ) -> None:
        self._transaction = transaction
        self._turns = turns
        self._working = working
        self._now = now
        self._new_id = new_id  # by prefix
        self._on_end = on_end
        self.jobs: dict[str, Job] = {}  # as they are now
        self._before: dict[str, Job | None] = {}  # as the store has them; None: not yet there
        self._uncounted: dict[str, Job | None] = {}  # changed since turns, effects and the working set heard
        self._events: list[EventRow] = []
        self._blobs: list[tuple[str, Reference, bytes]] = []
        self._referred: list[tuple[str, Reference]] = []  # payloads that are there already
        self._dropped: Counter[tuple[str, Reference]] = Counter()  # payloads to which a job refers no more
        self._sealed: list[str] = []
        self.letters: dict[str, DeadLetter] = {}  # those that this batch redrives
        self._new_letters: list[DeadLetter] = []
        self._hidden: list[str] = []  # jobs that are dead letters no more
        self.effects = Effects()

    def load(self, ids: Iterable[str]) -> None:
        """Read these jobs."""
        found = {job_id: self._working.get(job_id) for job_id in ids}
        self.adopt(job for job in found.values() if job is not None)
        if missing := [job_id for job_id, job in found.items() if job is None]:
            self.adopt(self._transaction.load(missing).values())

    def adopt(self, jobs: Iterable[Job]) -> list[Job]:
        """These were read; as they are now."""
        adopted = []
        for job in jobs:
            if job.id not in self.jobs:
                self.jobs[job.id] = self._before[job.id] = job
            adopted.append(self.jobs[job.id])
        return adopted

    def held(self, worker: str) -> list[Job]:
        """What a worker has claimed, as it was counted last."""
        return self._working.held(worker)

    def ready(self, topic: str) -> Sequence[Job]:
        """The ready steps of a topic that are in memory, with those of this batch, which are counted from then on."""
        self._count()
        return self._working.ready(topic)

    @property
    def has_unwritten_suspects(self) -> bool:
        """Whether the store does not know yet what has become of those who are tried apart."""
        changed = ((self._before[job_id], job) for job_id, job in self.jobs.items())
        return any(job.suspects or (before and before.suspects) for before, job in changed if before is not job)

    def blobs(self, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
        """Small payloads, also of this batch."""
        known = {reference: self._working.payload(tenant, reference) for reference in references}
        if None in known.values():
            known.update((reference, data) for owner, reference, data in self._blobs if owner == tenant)
        missing = [reference for reference in references if known[reference] is None]
        if missing:
            known.update(zip(missing, self._transaction.blobs(tenant, missing), strict=True))
        return [known[reference] for reference in references]

    def add(self, change: Change) -> Job:
        """A new job."""
        self._before[change.job.id] = None
        self._turns.open(change.job)
        return self.change(change)

    def change(self, change: Change) -> Job:
        """A job is another now."""
        job = change.job
        known = self.jobs.get(job.id)
        before = known or job
        attempt = job.attempt if job.step == before.step else before.attempt
        for fact in change.facts:
            event = seal_envelope(
                job, fact, step=before.step, attempt=attempt, event_id=self._new_id("evt"), now=self._now
            )
            self._events.append(EventRow(job.id, job.tenant, event))
            name = fact.DESCRIPTOR.name
            routine = name in _ROUTINE or (name in _ENDS and job.pipeline in UNAWAITED)
            self.effects.changes.append(StateChange(name, job.id, before.step, attempt, job.traceparent, routine))
        self._uncounted.setdefault(job.id, known)
        self.jobs[job.id] = job
        if change.dropped:
            self._dropped.update((job.tenant, reference) for reference in change.dropped)
        if job.status.terminal and not before.status.terminal:
            self._turns.close(job)
            self._on_end(change)
        if change.dead_letter is not None:
            self.put_letter(change.dead_letter)
        return job

    def put_letter(self, letter: DeadLetter) -> None:
        """A dead letter is new, or was redriven."""
        self._new_letters.append(letter)

    def keep(self, tenant: str, payload: Payload) -> None:
        """Count a reference. A large payload is a file: the table has only the count."""
        if payload.data is not None or payload.reference.size > INLINE_BYTES:
            self._blobs.append((tenant, payload.reference, payload.data or b""))
            if payload.data is not None:
                self._working.keep(tenant, payload.reference, payload.data)
        else:
            self._referred.append((tenant, payload.reference))

    def refer(self, tenant: str, references: Iterable[Reference]) -> None:
        """Count references to payloads that are there."""
        for reference in references:
            self.keep(tenant, Payload(reference, None))

    def revoke(self, job: Job) -> None:
        """Whoever holds the job's step holds it no more."""
        if job.step_state is StepState.CLAIMED:
            self.effects.revoked.append((job.worker, job.id, job.fence))

    def seal(self, job_ids: Iterable[str]) -> None:
        """The logs of these jobs are sealed."""
        self._sealed.extend(job_ids)

    def hide(self, job_id: str) -> None:
        """The dead letter of this job, if it is one, is gone at once."""
        self.letters.pop(job_id, None)
        self._hidden.append(job_id)

    def forget(self, jobs: Iterable[Job]) -> None:
        """The transaction has removed these jobs."""
        gone = list(jobs)
        for job in gone:
            for known in (self.jobs, self._before, self._uncounted, self.letters):
                known.pop(job.id, None)
            self._working.drop(job.id)
        self.effects.pruned.extend(gone)

    def flush(self) -> None:
        """Write what has changed since the last flush, and note the effects."""
        changed = [(self._before[i], job) for i, job in self.jobs.items() if self._before[i] is not job]
        if not (changed or self._sealed or self._blobs or self._referred):
            return
        self._transaction.insert([job for before, job in changed if before is None])
        self._transaction.update([job for before, job in changed if before is not None])
        self._transaction.append(self._events)
        self._transaction.put_blobs(self._blobs, self._now)
        self._transaction.refer(self._referred)
        if self._dropped:
            self._transaction.put_errands(list(unlink(self._transaction.release(self._dropped))), self._now)
        self._transaction.put_dead_letters(self._new_letters)
        self._transaction.remove_dead_letters(self._hidden)
        ended = [job for before, job in changed if job.status.terminal and not (before and before.status.terminal)]
        self._transaction.open_seals([job for job in ended if job.pipeline in SEALED])
        self._transaction.drop_seals(self._sealed)
        self._count()
        self.effects.ended.extend(ended)
        self.effects.attached.update(job.attached_to for _, job in changed if job.attached_to)
        self.effects.followed.update(dict.fromkeys(row.job_id for row in self._events))
        self._before = dict(self.jobs)
        self._events, self._blobs, self._referred, self._sealed, self._dropped = [], [], [], [], Counter()
        self._new_letters, self._hidden = [], []

    def _count(self) -> None:
        """Let those who count jobs, or hold them in memory, know what has changed."""
        rows: Counter[CensusRow] = Counter()
        for job_id, before in self._uncounted.items():
            job = self.jobs[job_id]
            self._working.write(job)
            rows[row_of(job)] += 1
            if before is not None:
                rows[row_of(before)] -= 1
        for change in (row._replace(jobs=jobs) for row, jobs in rows.items() if jobs):
            self.effects.count(change)
            self._turns.count(change)
        self._uncounted = {}
