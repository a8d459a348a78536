"""How long what has ended is kept, and what goes with a job when it goes.

Invariants: a job goes only once its log is sealed, what nobody keeps before all others and then the oldest; its events,
dead letter and payloads go in the same transaction, and so does the note of all that must be done elsewhere. A payload
stays while any job refers to it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from actors.journal.envelopes import context_of, open_envelope
from actors.journal.errands import Errand, ErrandKind
from actors.journal.store import Transaction
from events.v1.events_pb2 import JobDeadLettered, JobFailed, JobRetried, JobSubmitted, RerankingSkipped
from pipelines.chores import Prune
from pipelines.commands import INLINE_BYTES
from pipelines.jobs import Job, Reference

MONTH_S = 30 * 86400.0
JOB_BYTES = 4096  # about what rows, events and indexes of one job take, without its payloads
UNSTORED_S = 60.0  # that a job which is not stored is kept after its end
_FAULTS = (JobRetried, JobFailed, JobDeadLettered, RerankingSkipped)  # they may refer to a traceback
_REFERRING = (b"JobSubmitted", *(fault.DESCRIPTOR.name.encode() for fault in _FAULTS))


class Retention(NamedTuple):
    """Finished jobs go when they are `age_s` old, or while all of them take more than `bytes`; 0: any number."""

    age_s: float = MONTH_S
    bytes: int = 0

    def surplus(self, kept: int) -> int:
        """How many bytes too many are kept."""
        return max(0, kept - self.bytes) if self.bytes else 0


A_MONTH = Retention()


def size_of(job: Job) -> int:
    """About how many bytes a job takes, wherever they are. A result counts twice: its text is in the token log too."""
    sizes = [reference.size for reference in _own(job)]
    return JOB_BYTES + sum(sizes) + (job.result.size if job.result else 0)


def prune(transaction: Transaction, command: Prune, now: float) -> list[Job]:
    """Remove what nobody keeps and the oldest jobs that are too old or too much, with all that is theirs."""
    discarded = transaction.discarded(now, command.limit, deleted=True)
    discarded += transaction.discarded(command.unstored_until, command.limit - len(discarded), deleted=False)
    newest = now if command.surplus > 0 else command.finished_until
    known = {job.id for job in discarded}
    others = [job for job in transaction.finished(newest, command.limit) if job.id not in known]
    surplus = command.surplus - sum(map(size_of, discarded))
    jobs = [*discarded, *_superfluous(others, command.finished_until, surplus)][: command.limit]
    if jobs:
        events = transaction.remove_jobs([job.id for job in jobs])
        gone = transaction.release(references(jobs, events))
        transaction.put_errands([*_forget(jobs), *unlink(gone)], now)
    return jobs


def _superfluous(oldest: Sequence[Job], until: float, surplus: int) -> Iterator[Job]:
    for job in oldest:
        if surplus <= 0 and (job.finished_at or 0.0) > until:
            return
        surplus -= size_of(job)
        yield job


def references(jobs: Sequence[Job], events: Iterable[tuple[str, bytes]]) -> Counter[tuple[str, Reference]]:
    """What these jobs referred to, and how often: each was counted when it was put."""
    counts: Counter[tuple[str, Reference]] = Counter()
    for job in jobs:
        counts.update((job.tenant, reference) for reference in _own(job))
    for tenant, event in events:
        if any(name in event for name in _REFERRING):
            counts.update((tenant, reference) for reference in _said(open_envelope(event)[1]))
    return counts


def _own(job: Job) -> list[Reference]:
    return [reference for reference in (job.request, job.context, job.rendered, job.result) if reference]


def _said(fact: Any) -> Iterator[Reference]:
    """The references of an event that stand in no column of its job."""
    if isinstance(fact, JobSubmitted):
        yield from context_of(fact)
    elif isinstance(fact, _FAULTS) and fact.error.HasField("traceback"):
        yield Reference(fact.error.traceback.hash, fact.error.traceback.size)


def _forget(jobs: Sequence[Job]) -> Iterator[Errand]:
    return (Errand(ErrandKind.FORGET_LOG, job.tenant, job.id) for job in jobs)


def unlink(gone: Iterable[tuple[str, Reference]]) -> Iterator[Errand]:
    """What is to be done about payloads that nothing refers to: only what is too large for the table is a file."""
    files = ((tenant, reference) for tenant, reference in gone if reference.size > INLINE_BYTES)
    return (Errand(ErrandKind.UNLINK_BLOB, tenant, reference.hash) for tenant, reference in files)
