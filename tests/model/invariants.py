"""What must hold in every state, and of every move. Each answers with the names of what is broken."""

from collections.abc import Iterator

from tests.model.protocol import Move
from tests.model.state import NOTHING, Job, Log, State


def broken_in(state: State) -> Iterator[str]:
    """The invariants that this state breaks."""
    for job, log in zip(state.jobs, state.logs, strict=True):
        if job.outcomes > 1 or (job.outcomes == 1 and job.state != "done"):
            yield "one outcome per step"
        if job.terminals > 1:
            yield "one terminal per job"
        if log.shown != log.entries[: len(log.shown)]:
            yield "shown implies logged"
        if log.seal and log.seal != job.status:
            yield "the seal says how the job ended"
    yield from _broken_by_workers(state)


def _broken_by_workers(state: State) -> Iterator[str]:
    working = [worker for worker in state.workers if worker.doing == "working"]
    claims = {(worker.job, worker.fence) for worker in working}
    if len(claims) < len(working):
        yield "a fence has one holder"
    for worker in working:
        job = state.jobs[worker.job]
        if job.fence < worker.fence:
            yield "a claim is on disk before work"
        if job.state == "claimed" and job.fence == worker.fence and job.attempt < 1:
            yield "attempts are counted before work"


def broken_by(before: State, move: Move) -> Iterator[str]:
    """The invariants that this move breaks."""
    after = move.state
    number, fence = move.settles
    if number != NOTHING and (before.jobs[number].state, before.jobs[number].fence) != ("claimed", fence):
        yield "no outcome under a stale fence"
    if before.jobs != after.jobs:
        for old, new in zip(before.jobs, after.jobs, strict=True):
            yield from _broken_by_row(old, new)
    if before.logs != after.logs:
        for former, later in zip(before.logs, after.logs, strict=True):
            yield from _broken_by_log(former, later)


def _broken_by_row(before: Job, after: Job) -> Iterator[str]:
    if before.status not in ("open", after.status):
        yield "a terminal never changes"
    if after.fence != before.fence + (before.state == "ready" and after.state == "claimed"):
        yield "the fence rises by one with every claim, and only then"


def _broken_by_log(before: Log, after: Log) -> Iterator[str]:
    if after.fence < before.fence:
        yield "the fence of a log never falls"
    if after.shown[: len(before.shown)] != before.shown or after.entries[: len(before.entries)] != before.entries:
        yield "a number is never used with two contents"
    if before.seal and after != before:
        yield "a sealed log never changes"
