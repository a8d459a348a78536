"""How long what has ended is kept, and what goes with a job when it goes.

Invariants: a job goes only once its log is sealed, oldest first; its events, dead letter and payloads go in the same
transaction, and so does the note of all that must be done elsewhere. A payload stays while any job refers to it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from actors.journal.envelopes import open_envelope
from actors.journal.errands import Errand, ErrandKind
from actors.journal.store import Transaction
from pipelines.commands import INLINE_BYTES, Prune
from pipelines.jobs import Job, Reference

MONTH_S = 30 * 86400.0
JOB_BYTES = 4096  # about what rows, events and indexes of one job take, without its payloads
_FAULTS = (b"JobRetried", b"JobFailed", b"JobDeadLettered")  # events that may refer to a traceback


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
    sizes = [reference.size for reference in (job.request, job.rendered, job.result, job.result) if reference]
    return JOB_BYTES + sum(sizes)


def prune(transaction: Transaction, command: Prune, now: float) -> list[Job]:
    """Remove the oldest finished jobs that are too old or too much, with all that is theirs; returns them."""
    newest = now if command.surplus > 0 else command.finished_until
    jobs = list(_superfluous(transaction.finished(newest, command.limit), command))
    if jobs:
        events = transaction.remove_jobs([job.id for job in jobs])
        gone = transaction.release(_references(jobs, events))
        transaction.put_errands([*_forget(jobs), *_unlink(gone)], now)
    return jobs


def _superfluous(oldest: Sequence[Job], command: Prune) -> Iterator[Job]:
    surplus = command.surplus
    for job in oldest:
        if surplus <= 0 and (job.finished_at or 0.0) > command.finished_until:
            return
        surplus -= size_of(job)
        yield job


def _references(jobs: Sequence[Job], events: Iterable[tuple[str, bytes]]) -> Counter[tuple[str, Reference]]:
    """What these jobs referred to, and how often: each was counted when it was put."""
    counts: Counter[tuple[str, Reference]] = Counter()
    for job in jobs:
        counts.update((job.tenant, reference) for reference in (job.request, job.rendered, job.result) if reference)
    for tenant, event in events:
        if any(name in event for name in _FAULTS):
            _, fact = open_envelope(event)
            if fact is not None and fact.error.HasField("traceback"):
                traceback = fact.error.traceback
                counts[tenant, Reference(traceback.hash, traceback.size)] += 1
    return counts


def _forget(jobs: Sequence[Job]) -> Iterator[Errand]:
    return (Errand(ErrandKind.FORGET_LOG, job.tenant, job.id) for job in jobs)


def _unlink(gone: Iterable[tuple[str, Reference]]) -> Iterator[Errand]:
    """Only what is too large for the table is a file."""
    files = ((tenant, reference) for tenant, reference in gone if reference.size > INLINE_BYTES)
    return (Errand(ErrandKind.UNLINK_BLOB, tenant, reference.hash) for tenant, reference in files)
