"""Applies commands to a store: the one place where the rules of the protocol meet the rows.

A batch is one transaction: commands act in their order on the rows as the earlier ones left them, and each gets
its own answer. What followers, dispatcher and workers must hear of is gathered in `Effects`, which counts
only once the transaction has committed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random  # noqa: TID251 - a generator is handed in

from actors.journal.budgets import Budgets
from actors.journal.effects import Effects
from actors.journal.envelopes import seal_envelope
from actors.journal.handout import hand_out, offer
from actors.journal.keys import Keys, replay
from actors.journal.retention import prune
from actors.journal.store import EventRow, Transaction
from actors.telemetry.logs import StateChange
from pipelines import transitions
from pipelines.commands import (
    INLINE_BYTES,
    Answer,
    Cancel,
    Claim,
    CloseErrands,
    Command,
    Failed,
    Finish,
    Generated,
    MarkSealed,
    Orphan,
    Payload,
    Prune,
    Redrive,
    Rendered,
    Submit,
    Tick,
    Verdict,
)
from pipelines.jobs import ClaimedJob, DeadLetter, Job, Reference, StepState
from pipelines.transitions import Change

Reply = Answer | list[ClaimedJob] | int  # the number of what was pruned


class Ledger:
    """One batch in one transaction. Make a new one for each."""

    def __init__(
        self,
        transaction: Transaction,
        *,
        now: float,
        random: Random,
        new_id: Callable[[str], str],
        testers: Mapping[str, str],
        room: int,
        token_budgets: Mapping[str, int],
    ) -> None:
        self._transaction = transaction
        self._now = now
        self._random = random
        self._new_id = new_id  # by prefix
        self._testers = testers  # by topic: the worker that tries suspects
        self._room = room  # so many more jobs may be accepted
        self._jobs: dict[str, Job] = {}  # as they are now
        self._before: dict[str, Job | None] = {}  # as the store has them; None: not yet there
        self._events: list[EventRow] = []
        self._blobs: list[tuple[str, Reference, bytes]] = []
        self._referred: list[tuple[str, Reference]] = []  # payloads that are there already
        self._sealed: list[str] = []
        self._keys = Keys(transaction, now)
        self._letters: list[DeadLetter] = []
        self._dead: dict[str, DeadLetter] = {}  # those that this batch redrives
        self._budgets = Budgets(transaction, token_budgets)
        self.effects = Effects()

    def apply(self, commands: Sequence[Command]) -> list[Reply]:
        """The answers, one for one."""
        of_keys = self._keys.load([command for command in commands if isinstance(command, Submit)])
        named = (command.job_id for command in commands if isinstance(command, (Submit, Finish, Cancel, Redrive)))
        self._load(dict.fromkeys([*named, *of_keys]))
        self._keys.keep_those_of(self._jobs)
        redriven = [command.job_id for command in commands if isinstance(command, Redrive)]
        self._dead = {letter.job_id: letter for letter in self._transaction.dead_letters(redriven)}
        self._budgets.load(command.tenant for command in commands if isinstance(command, (Submit, Redrive)))
        replies = [self._apply(command) for command in commands]
        self._flush()
        self._budgets.flush()
        return replies

    def _apply(self, command: Command) -> Reply:  # noqa: C901, PLR0911 - one per command
        match command:
            case Submit():
                return self._submit(command)
            case Claim():
                return self._claim(command)
            case Finish():
                return self._finish(command)
            case Cancel():
                return self._cancel(command)
            case Redrive():
                return self._redrive(command)
            case Orphan():
                return self._orphan(command)
            case Tick():
                return self._tick(command)
            case MarkSealed():
                self._sealed.extend(command.job_ids)
                return Answer(Verdict.DONE)
            case Prune():
                return self._prune(command)
            case CloseErrands():
                self._transaction.drop_errands(command.done)
                self._transaction.postpone_errands(command.postponed, command.due_at)
                return Answer(Verdict.DONE)

    def _submit(self, command: Submit) -> Answer:
        job = self._jobs.get(command.job_id)
        if job is not None:
            return Answer(Verdict.DONE, job.status)  # a repeat
        if used := self._keys.used(command):
            return replay(used, command, self._jobs[used.job_id])
        if self._room <= 0:
            return Answer(Verdict.FULL)
        reserved = self._budgets.reserve(command.tenant, command.max_output_tokens)
        if reserved is None:
            return Answer(Verdict.OVER_BUDGET)
        self._room -= 1
        self._before[command.job_id] = None
        self._keep(command.tenant, command.request)
        job = self._change(transitions.submit(command, self._now, reserved=reserved))
        self._keys.put(command)
        return Answer(Verdict.DONE, job.status)

    def _claim(self, command: Claim) -> list[ClaimedJob]:
        self._flush()  # the queries must see what this batch has done so far
        held = self._transaction.held(command.worker)
        if mine := [job for job in held if job.claim_id == command.claim_id]:
            return hand_out(self._transaction, mine, [job.ready_at for job in mine], self._now)
        tester = self._testers.get(command.topic, command.worker)  # after a restart nobody has registered yet
        offered = offer(self._transaction, command, held, tester)
        if offered is None:
            return []  # its ticket stays out, so that the sweep brings the next one, not a busy loop
        self.effects.tickets[command.topic] += 1
        claims = [self._change(transitions.claim(job, command, self._now)) for job in self._adopt(offered)]
        return hand_out(self._transaction, claims, [job.ready_at for job in offered], self._now)

    def _finish(self, command: Finish) -> Answer:
        job = self._jobs.get(command.job_id)
        if job is None:
            return Answer(Verdict.UNKNOWN)
        if job.settled == command.fence:
            return Answer(Verdict.DONE, job.status)  # a repeat
        if job.step_state is not StepState.CLAIMED or job.fence != command.fence:
            return Answer(Verdict.STALE, job.status)
        match command.outcome:
            case Rendered(prompt=payload) | Generated(result=payload) | Failed(traceback=Payload() as payload):
                self._keep(job.tenant, payload)
        changed = self._change(transitions.settle(job, command.outcome, self._now, self._random))
        return Answer(Verdict.DONE, changed.status)

    def _cancel(self, command: Cancel) -> Answer:
        job = self._jobs.get(command.job_id)
        if job is None or job.tenant != command.tenant:
            return Answer(Verdict.UNKNOWN)
        if job.status.terminal:
            return Answer(Verdict.TERMINAL, job.status)
        self._revoke(job)
        return Answer(Verdict.DONE, self._change(transitions.cancel(job, self._now)).status)

    def _redrive(self, command: Redrive) -> Answer:
        letter = self._dead.get(command.job_id)
        if letter is None or letter.tenant != command.tenant:
            return Answer(Verdict.UNKNOWN)
        if not letter.redriven_as:
            dead = self._jobs[letter.job_id]
            reserved = self._budgets.reserve(dead.tenant, dead.reserved)
            if reserved is None:
                return Answer(Verdict.OVER_BUDGET)
            change = transitions.redrive(dead, command, self._new_id("resp"), self._now, reserved=reserved)
            letter.redriven_as = change.job.id
            self._before[change.job.id] = None
            self._keep(letter.tenant, Payload(change.job.request, None))
            self._change(change)
            self._letters.append(letter)
        return Answer(Verdict.DONE, job_id=letter.redriven_as)

    def _orphan(self, command: Orphan) -> Answer:
        self._flush()
        held = self._adopt(self._transaction.held(command.worker))
        for job in held:
            self._revoke(job)
        for change in transitions.orphan(held, command, self._now):
            self._change(change)
        return Answer(Verdict.DONE)

    def _tick(self, command: Tick) -> Answer:
        self._flush()
        for job in self._adopt(self._transaction.overdue(self._now, command.limit)):
            self._revoke(job)
            self._change(transitions.expire(job, self._now))
        self._flush()
        for job in self._adopt(self._transaction.late(self._now, command.limit)):
            self._revoke(job)
            self._change(transitions.take_back(job, self._now, self._random))
        self._flush()
        for job in self._adopt(self._transaction.due(self._now, command.limit)):
            self._change(transitions.wake(job, self._now))
        return Answer(Verdict.DONE)

    def _prune(self, command: Prune) -> int:
        self._flush()
        pruned = prune(self._transaction, command, self._now)
        for job in pruned:
            for known in (self._jobs, self._before, self._dead):
                known.pop(job.id, None)
        self._keys.keep_those_of(self._jobs)
        self.effects.pruned.extend(pruned)
        return max(len(pruned), self._keys.drop_old(command.limit))

    def _load(self, ids: Iterable[str]) -> None:
        self._adopt(self._transaction.load(ids).values())

    def _adopt(self, jobs: Iterable[Job]) -> list[Job]:
        adopted = list(jobs)
        for job in adopted:
            self._jobs[job.id] = self._before[job.id] = job
        return adopted

    def _change(self, change: Change) -> Job:
        job = change.job
        before = self._jobs.get(job.id, job)
        attempt = job.attempt if job.step == before.step else before.attempt
        for fact in change.facts:
            event = seal_envelope(
                job, fact, step=before.step, attempt=attempt, event_id=self._new_id("evt"), now=self._now
            )
            self._events.append(EventRow(job.id, job.tenant, event))
            name = fact.DESCRIPTOR.name
            self.effects.changes.append(StateChange(name, job.id, before.step, attempt, job.traceparent))
        self._jobs[job.id] = job
        if job.status.terminal and not before.status.terminal:
            self._budgets.settle(job)
        if change.dead_letter is not None:
            self._letters.append(change.dead_letter)
        return job

    def _keep(self, tenant: str, payload: Payload) -> None:
        """Count a reference. A large payload is a file: the table has only the count."""
        if payload.data is not None or payload.reference.size > INLINE_BYTES:
            self._blobs.append((tenant, payload.reference, payload.data or b""))
        else:
            self._referred.append((tenant, payload.reference))

    def _revoke(self, job: Job) -> None:
        if job.step_state is StepState.CLAIMED:
            self.effects.revoked.append((job.worker, job.id, job.fence))

    def _flush(self) -> None:
        """Write what has changed since the last flush, and note the effects."""
        changed = [(self._before[i], job) for i, job in self._jobs.items() if self._before[i] is not job]
        if not changed and not self._sealed:
            return
        self._transaction.insert([job for before, job in changed if before is None])
        self._transaction.update([job for before, job in changed if before is not None])
        self._transaction.append(self._events)
        self._transaction.put_blobs(self._blobs, self._now)
        self._transaction.refer(self._referred)
        self._keys.flush()
        self._transaction.put_dead_letters(self._letters)
        ended = [job for before, job in changed if job.status.terminal and not (before and before.status.terminal)]
        self._transaction.open_seals(ended)
        self._transaction.drop_seals(self._sealed)
        for before, job in changed:
            self.effects.count(before, -1)
            self.effects.count(job, +1)
        self.effects.ended.extend(ended)
        self.effects.followed.update(dict.fromkeys(row.job_id for row in self._events))
        self._before = dict(self._jobs)
        self._events, self._blobs, self._referred, self._sealed, self._letters = [], [], [], [], []
