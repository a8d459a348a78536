"""The protocol's state, as small as it can be and still go wrong: a job or two, two steps, two entries in a log.

Everything is immutable and made of numbers and words, so that states can be hashed, compared and sorted.
"""

from typing import NamedTuple

NOTHING = -1
RENDERING = -2  # a worker at the step that writes no log
UNREAD = -1  # a worker that has yet to open the log
ENTRIES = 2  # of a whole log; the second one finishes it


class Job(NamedTuple):
    """A row of the journal. The last two are for the proof only: they count what must happen once."""

    step: str = "render"  # render, infer
    state: str = "ready"  # ready, claimed, done
    status: str = "open"  # open, completed, failed, cancelled
    attempt: int = 0
    fence: int = 0
    smooth: bool = True  # every step was claimed once at the most
    owed: bool = False  # terminal, and its log is still to be sealed
    outcomes: int = 0  # of the step
    terminals: int = 0


class Log(NamedTuple):
    """A token log. An entry's content is the fence that wrote it: another worker would have written something else."""

    fence: int = 0
    entries: tuple[int, ...] = ()
    shown: tuple[int, ...] = ()  # what the fastest reader has seen
    seal: str = ""  # the status that it tells


class Worker(NamedTuple):
    """A worker: what it does, and what the journal knows of it.

    It is asking, told (the answer to its claim is on its way), working, or dead; late is dead with a claim on its way.
    """

    doing: str = "asking"
    job: int = NOTHING
    fence: int = 0
    next: int = UNREAD  # the number that it will append next
    known: bool = True  # it has a seat in the journal's memory
    holds: tuple[int, ...] = ()  # jobs whose rows say that this worker has claimed them

    def freed(self) -> "Worker":
        """With empty hands; it asks for work at once."""
        return Worker(known=self.known, holds=self.holds)


class State(NamedTuple):
    """All of it, and how many mishaps are still to come."""

    jobs: tuple[Job, ...]
    logs: tuple[Log, ...]
    workers: tuple[Worker, ...]
    crashes: int  # of workers, journal and token log together
    slips: int  # leases lost by workers that live, steps that failed, claims handed back

    def with_job(self, index: int, job: Job) -> "State":
        """Another row."""
        return self._replace(jobs=(*self.jobs[:index], job, *self.jobs[index + 1 :]))

    def with_log(self, index: int, log: Log) -> "State":
        """Another log."""
        return self._replace(logs=(*self.logs[:index], log, *self.logs[index + 1 :]))

    def with_worker(self, index: int, worker: Worker) -> "State":
        """Another worker."""
        return self._replace(workers=(*self.workers[:index], worker, *self.workers[index + 1 :]))

    def released(self, job: int) -> "State":
        """Nobody holds this job."""
        workers = (
            worker._replace(holds=tuple(held for held in worker.holds if held != job))
            if job in worker.holds
            else worker
            for worker in self.workers
        )
        return self._replace(workers=tuple(workers))

    def over(self) -> bool:
        """Every job has its terminal, and its log the seal."""
        return all(log.seal for log in self.logs) and not any(job.owed for job in self.jobs)


_OVER = (Job(state="done", status="over"), Log(seal="over"))


def beginning(*, jobs: int, workers: int = 2, crashes: int, slips: int) -> State:
    """Jobs that were just accepted, and workers that have just registered."""
    return State((Job(),) * jobs, (Log(),) * jobs, (Worker(),) * workers, crashes, slips)


def canonical(state: State) -> State:
    """One of the states that differ from this one in names only; the remains of a job that is over are cleared away."""
    busy = {worker.job for worker in state.workers}
    pairs = [
        _OVER if log.seal and not job.owed and index not in busy else (job, log)
        for index, (job, log) in enumerate(zip(state.jobs, state.logs, strict=True))
    ]
    workers = tuple(sorted(state.workers))
    if pairs[0] > pairs[-1] or (pairs[0] == pairs[-1] and len(pairs) > 1 and _renamed(workers) < workers):
        pairs, workers = pairs[::-1], _renamed(workers)
    return state._replace(jobs=tuple(job for job, _ in pairs), logs=tuple(log for _, log in pairs), workers=workers)


def _renamed(workers: tuple[Worker, ...]) -> tuple[Worker, ...]:
    """As they are when each job is called the other."""
    renamed = (
        worker._replace(
            job=worker.job if worker.job == NOTHING else 1 - worker.job,
            holds=tuple(sorted(1 - held for held in worker.holds)),
        )
        for worker in workers
    )
    return tuple(sorted(renamed))
