"""The delivery protocol as a pure model: from a state, every next one. No asyncio, no I/O, no product code.

A message may be lost, repeated or late: a claim whose answer is lost is repeated, an answer may come after its claim
was taken back, a worker that was given up goes on as if nothing had happened, a dead worker's claim may still arrive,
and so may the outcome of any claim that ever was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model import state as names
from tests.model.state import NOTHING, RENDERING, UNREAD, Job, Log, State, Worker

MAX_ATTEMPTS = 2
ALIVE = ("asking", "told", "working")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of the protocol. Each can be broken, to show that the exploration would notice."""

    fences_are_checked: bool = True
    outcomes_count_once: bool = True
    attempts_count_before_work: bool = True
    terminals_are_final: bool = True
    claims_are_committed_before_the_answer: bool = True
    claims_may_be_repeated: bool = True
    claims_give_a_seat: bool = True
    seals_are_owed_on_disk: bool = True
    seals_are_checked: bool = True
    seals_keep_what_was_shown: bool = True
    log_fences_are_checked: bool = True
    entries_are_written_before_shown: bool = True


class Move(NamedTuple):
    """One thing that may happen. `fair`: the system does it by itself, even if nothing goes wrong any more."""

    label: str
    state: State
    fair: bool = False
    settles: tuple[int, int] = (NOTHING, 0)  # the job whose outcome was taken, and under which fence


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """All that may happen next."""
    for index, worker in enumerate(state.workers):
        if worker.doing in ("asking", "late"):
            yield from _claiming(state, index, rules)
        elif worker.doing == "told":
            yield from _told(state, index)
        elif worker.doing == "working":
            yield from _working(state, index, rules)
        yield from _seated(state, index)
    for index in range(len(state.jobs)):
        yield from _ending(state, index, rules)
        yield from _late(state, index, rules)
    if state.crashes:
        yield from _crashes(state, rules)


# The journal's rules for a row.


def claimed(job: Job, rules: Rules) -> Job:
    """A worker holds the step."""
    return job._replace(state="claimed", attempt=job.attempt + rules.attempts_count_before_work, fence=job.fence + 1)


def settled(job: Job, fence: int, outcome: str, rules: Rules) -> Job:
    """The row after an outcome: the same where its claim is over, or the outcome a repeat."""
    if rules.outcomes_count_once and job.state != "claimed":
        return job
    if rules.fences_are_checked and job.fence != fence:
        return job
    job = job._replace(attempt=job.attempt + (not rules.attempts_count_before_work))
    match outcome:
        case "rendered":
            return job._replace(step="infer", state="ready", attempt=0, outcomes=job.outcomes + (job.step == "infer"))
        case "generated":
            return ended(job._replace(outcomes=job.outcomes + 1), "completed")
        case "released":
            return job._replace(state="ready", attempt=job.attempt - 1, smooth=False)
        case _:
            return _offered_again(job)


def orphaned(job: Job, *, crashed: bool) -> Job:
    """The row after its worker is gone; the bound stands for what ends such a job: its own crashes, or the deadline."""
    del crashed  # who is to blame is not the model's question
    return _offered_again(job)


def ended(job: Job, status: str) -> Job:
    """The terminal, and in the same transaction the note that the log is to be sealed."""
    return job._replace(state="done", status=status, attempt=0, owed=True, terminals=job.terminals + 1)


def _offered_again(job: Job) -> Job:
    return ended(job, "failed") if job.attempt >= MAX_ATTEMPTS else job._replace(state="ready", smooth=False)


# The token log's rules.


def appended(log: Log, fence: int, number: int, rules: Rules) -> tuple[Log, str]:
    """The log after an append, and the verdict."""
    if number < len(log.entries) and log.entries[number] == fence:
        return log, "done"  # a repeat
    if log.seal and rules.seals_are_checked:
        return log, "sealed"
    if fence < log.fence and rules.log_fences_are_checked:
        return log, "stale"
    if number != len(log.entries):
        return log, "gap"
    entries = (*log.entries, fence)
    stored = entries if rules.entries_are_written_before_shown else log.entries
    return log._replace(fence=fence, entries=stored, shown=entries), "done"


def sealed(log: Log, status: str, rules: Rules) -> Log:
    """The log with its end, which is where it stands."""
    entries = log.entries if rules.seals_keep_what_was_shown else log.entries[:1]
    return log._replace(entries=entries, seal=log.seal or status)


# What workers do.


def _claiming(state: State, index: int, rules: Rules) -> Iterator[Move]:
    worker = state.workers[index]
    alive = worker.doing == "asking"
    if worker.holds and rules.claims_may_be_repeated:
        if alive:
            told = _answered(state, index, worker.holds[0])
            yield Move(f"worker {index} repeats its claim of job {worker.holds[0]}", told, fair=True)
        return
    for number, before in enumerate(state.jobs):
        if before.state == "ready":
            held = tuple(sorted((*worker.holds, number)))
            seated = worker._replace(holds=held, known=worker.known or rules.claims_give_a_seat)
            taken = state.with_job(number, claimed(before, rules)).with_worker(index, seated)
            after = _answered(taken, index, number) if alive else taken
            yield Move(f"worker {index} claims job {number}", after, fair=alive)
            if alive and not rules.claims_are_committed_before_the_answer and state.crashes:
                undone = after.with_job(number, before).released(number)._replace(crashes=state.crashes - 1)
                yield Move(f"worker {index} claims job {number}, and the journal dies before the commit", undone)


def _answered(state: State, index: int, number: int) -> State:
    job = state.jobs[number]
    after = RENDERING if job.step == "render" else 0 if job.smooth else UNREAD
    told = state.workers[index]._replace(doing="told", job=number, fence=job.fence, next=after)
    return state.with_worker(index, told)


def _told(state: State, index: int) -> Iterator[Move]:
    worker = state.workers[index]
    heard = state.with_worker(index, worker._replace(doing="working"))
    yield Move(f"worker {index} hears that it has job {worker.job} under fence {worker.fence}", heard, fair=True)
    yield Move(f"the answer to worker {index} is lost", state.with_worker(index, worker.freed()))


def _working(state: State, index: int, rules: Rules) -> Iterator[Move]:
    worker = state.workers[index]
    if state.slips:
        for outcome in ("failed", "released"):
            move = _reported(state, index, outcome, rules)
            yield move._replace(state=move.state._replace(slips=state.slips - 1), fair=False)
    match worker.next:
        case names.RENDERING:
            yield _reported(state, index, "rendered", rules)
        case names.UNREAD:
            yield _opened(state, index)
        case names.ENTRIES:
            yield _reported(state, index, "generated", rules)
        case _:
            yield from _appending(state, index, rules)


def _reported(state: State, index: int, outcome: str, rules: Rules) -> Move:
    worker = state.workers[index]
    label = f"worker {index} reports job {worker.job} {outcome} under fence {worker.fence}"
    move = _taken_in(state, worker.job, worker.fence, outcome, rules)
    free = move.state.with_worker(index, move.state.workers[index].freed())
    return move._replace(label=label, state=free, fair=True)


def _taken_in(state: State, number: int, fence: int, outcome: str, rules: Rules) -> Move:
    """An outcome arrives at the journal."""
    before = state.jobs[number]
    job = settled(before, fence, outcome, rules)
    if job == before:
        return Move("", state)
    label = f"{outcome} of job {number} under fence {fence} arrives again"
    return Move(label, state.with_job(number, job).released(number), settles=(number, fence))


def _opened(state: State, index: int) -> Move:
    worker = state.workers[index]
    log = state.logs[worker.job]
    if log.seal or worker.fence < log.fence:
        return Move(f"worker {index} finds log {worker.job} shut", state.with_worker(index, worker.freed()), fair=True)
    opened = state.with_log(worker.job, log._replace(fence=worker.fence))
    read = opened.with_worker(index, worker._replace(next=len(log.entries)))
    return Move(f"worker {index} opens log {worker.job} with fence {worker.fence}", read, fair=True)


def _appending(state: State, index: int, rules: Rules) -> Iterator[Move]:
    worker = state.workers[index]
    log, verdict = appended(state.logs[worker.job], worker.fence, worker.next, rules)
    label = f"worker {index} appends number {worker.next} to log {worker.job} under fence {worker.fence}: {verdict}"
    if verdict == "done":
        after = state.with_log(worker.job, log)
        yield Move(label, after.with_worker(index, worker._replace(next=worker.next + 1)), fair=True)
        yield Move(f"{label}, and the answer is lost", after)
    elif verdict == "gap":
        yield _reported(state, index, "failed", rules)
    else:
        yield Move(label, state.with_worker(index, worker.freed()), fair=True)


# What ends workers and jobs.


def _seated(state: State, index: int) -> Iterator[Move]:
    """How the journal's memory of a worker changes."""
    worker = state.workers[index]
    if worker.doing in ALIVE:
        if not worker.known:
            known = state.with_worker(index, worker._replace(known=True))
            yield Move(f"worker {index} registers", known, fair=True)
        elif state.slips:
            buried = _buried(state, index, crashed=False)
            yield Move(f"the lease of worker {index} runs out", buried._replace(slips=state.slips - 1))
    elif worker.known:
        yield Move(f"the journal buries worker {index}", _buried(state, index, crashed=True), fair=True)
    elif not worker.holds:
        yield Move(f"another worker takes the place of {index}", state.with_worker(index, Worker()), fair=True)


def _buried(state: State, index: int, *, crashed: bool) -> State:
    worker = state.workers[index]
    for number in worker.holds:
        state = state.with_job(number, orphaned(state.jobs[number], crashed=crashed))
    return state.with_worker(index, worker._replace(known=False, holds=()))


def _crashes(state: State, rules: Rules) -> Iterator[Move]:
    worse = state._replace(crashes=state.crashes - 1)
    for index, worker in enumerate(state.workers):
        if worker.doing in ALIVE:
            doing = "late" if worker.doing == "asking" else "dead"
            yield Move(
                f"worker {index} dies",
                worse.with_worker(index, Worker(doing=doing, known=worker.known, holds=worker.holds)),
            )
    yield Move("the journal restarts", _journal_restarted(worse, rules))
    yield Move("the token log restarts", worse)


def _journal_restarted(state: State, rules: Rules) -> State:
    """Its memory is gone: who is registered, but for the holders of claims, and the answers that were on their way."""
    workers = (worker.freed() if worker.doing == "told" else worker for worker in state.workers)
    seated = (worker._replace(known=bool(worker.holds)) for worker in workers)
    jobs = (job._replace(owed=job.owed and rules.seals_are_owed_on_disk) for job in state.jobs)
    return state._replace(workers=tuple(seated), jobs=tuple(jobs))


def _ending(state: State, index: int, rules: Rules) -> Iterator[Move]:
    job = state.jobs[index]
    if job.status == "open" or not rules.terminals_are_final:
        label = f"the client or the deadline ends job {index}"
        yield Move(label, state.with_job(index, ended(job, "cancelled")).released(index))
    if job.owed:
        log = sealed(state.logs[index], job.status, rules)
        noted = state.with_log(index, log).with_job(index, job._replace(owed=False))
        yield Move(f"the dispatcher seals log {index}", noted, fair=True)


def _late(state: State, index: int, rules: Rules) -> Iterator[Move]:
    """Outcomes of claims that are over, which some network has kept until now."""
    job = state.jobs[index]
    for fence in range(1, job.fence + (job.state != "claimed")):
        for outcome in ("rendered", "generated", "failed"):
            move = _taken_in(state, index, fence, outcome, rules)
            if move.label:
                yield move
