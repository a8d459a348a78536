"""Applies commands to a store: the one place where the rules of the protocol meet the rows.

A batch is one transaction: commands act in their order on the rows as the earlier ones left them, and each gets
its own answer.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random  # noqa: TID251 - a generator is handed in
from typing import Any, get_args

from actors.journal.batches import Batches
from actors.journal.budgets import Budgets
from actors.journal.conversations import Conversations
from actors.journal.dead_letters import DeadLetters
from actors.journal.draft import Draft
from actors.journal.effects import Effects
from actors.journal.files import edit_file, edit_upload, remove_lapsed_files
from actors.journal.handout import hand_out, offer
from actors.journal.keys import Keys, replay
from actors.journal.mentions import named, submits
from actors.journal.ready_steps import ReadySteps
from actors.journal.retention import prune
from actors.journal.store import Transaction
from actors.journal.templates import edit_template
from actors.journal.turns import Steps, Turns
from actors.journal.upkeep import Upkeep
from actors.journal.vector_stores import VectorStores, attached_by
from actors.journal.working_set import WorkingSet
from pipelines import transitions
from pipelines.batch_edits import BatchEdit, CreateBatch
from pipelines.changes import Change
from pipelines.chores import Abandon, CloseErrands, MarkSealed, Orphan, Prune, Tick, WindDown
from pipelines.commands import Answer, Cancel, Claim, Command, Delete, Finish, Redrive, Released, Submit, Verdict
from pipelines.edits import ConversationEdit, DeleteFile, Edit, FileEdit, TemplateEdit, UploadEdit
from pipelines.jobs import ClaimedJob, StepState
from pipelines.outcomes import payload_of, settle
from pipelines.steps import LINES
from pipelines.vector_edits import VectorEdit

Reply = Answer | list[ClaimedJob] | int  # the number of what was pruned, or abandoned

_KINDS: dict[type, Any] = {  # which of the edits have a handler in common
    edit: kind
    for kind in (ConversationEdit, TemplateEdit, FileEdit, UploadEdit, VectorEdit, BatchEdit)
    for edit in get_args(kind)
}


class Ledger:
    """One batch in one transaction. Make a new one for each."""

    def __init__(  # noqa: PLR0913 - one per part
        self,
        transaction: Transaction,
        turns: Turns,
        working: WorkingSet,
        *,
        now: float,
        random: Random,
        new_id: Callable[[str], str],
        testers: Mapping[str, str],
        room: int,
        token_budgets: Mapping[str, int],
    ) -> None:
        self._transaction = transaction
        self._turns = turns
        self._now = now
        self._random = random
        self._testers = testers  # by topic: the worker that tries suspects
        self._room = room  # so many more jobs may be accepted
        self._keys = Keys(transaction, now)
        self._budgets = Budgets(transaction, token_budgets)
        self._conversations = Conversations(transaction, now)
        self._draft = Draft(transaction, turns, working, now=now, new_id=new_id, on_end=self._settle)
        self._vectors = VectorStores(transaction, self._draft, now)
        self._letters = DeadLetters(
            transaction, turns, self._draft, self._conversations, self._budgets, self._vectors, now=now, new_id=new_id
        )
        self._batches = Batches(transaction, self._draft, now)
        self._upkeep = Upkeep(transaction, self._draft, turns, now=now, random=random)
        self.effects: Effects = self._draft.effects  # once the batch has committed
        self._handlers: dict[Any, Callable[[Any], Reply]] = {  # by kind
            Submit: self._submit,
            Claim: self._claim,
            Finish: self._finish,
            Cancel: self._cancel,
            Delete: self._delete,
            Abandon: lambda command: self._upkeep.abandon(command.session, command.limit),
            Redrive: self._letters.redrive,
            Orphan: self._orphan,
            Tick: self._tick,
            WindDown: lambda command: self._batches.wind_down(command.limit),
            MarkSealed: self._mark_sealed,
            Prune: self._prune,
            CloseErrands: self._close_errands,
            ConversationEdit: lambda edit: self._conversations.edit(edit, self._draft),
            TemplateEdit: lambda edit: edit_template(transaction.templates, edit, now),
            FileEdit: self._edit_file,
            UploadEdit: lambda edit: edit_upload(transaction, edit, now),
            VectorEdit: self._edit_vectors,
            CreateBatch: self._create_batch,
            BatchEdit: self._batches.edit,
        }

    def apply(self, commands: Sequence[Command | Edit], parked: Sequence[Claim] = ()) -> list[Reply]:
        """The answers, one for one. Then those of the claims that were `parked`: steps that have just become ready."""
        self._prepare(commands)
        replies = [self._handlers[_KINDS.get(type(command), type(command))](command) for command in commands]
        replies += [self._claim(claim) if self._draft.ready(claim.topic) else [] for claim in parked]
        self._batches.flush()
        self._flush()
        self._budgets.flush()
        self._vectors.flush()
        return replies

    def _prepare(self, commands: Sequence[Command | Edit]) -> None:
        """Read at once what the commands name."""
        of_keys = self._keys.load(list(submits(commands)))
        self._draft.load(dict.fromkeys([*named(commands), *of_keys]))
        self._vectors.load(self._draft.jobs.values())
        self._forget_keys()
        self._letters.load([command.job_id for command in commands if isinstance(command, Redrive)])
        self._budgets.load(command.tenant for command in commands if isinstance(command, (Submit, Redrive)))

    def _submit(self, command: Submit) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is not None:
            return Answer(Verdict.DONE, job.status)  # a repeat
        if used := self._keys.used(command):
            answer = replay(used, command, self._draft.jobs[used.job_id])
            self._attach(answer, command.attached_to)
            return answer
        if refusal := self._refusal(command):
            return refusal
        reserved = self._budgets.reserve(command.tenant, command.max_output_tokens)
        if reserved is None:
            return Answer(Verdict.OVER_BUDGET)
        self._room -= 1
        self._draft.keep(command.tenant, command.request)
        if command.rendered is not None:
            self._draft.keep(command.tenant, command.rendered)
        self._draft.refer(command.tenant, command.context)
        job = self._draft.add(transitions.submit(command, self._now, reserved=reserved))
        if command.fault is not None:
            job = self._draft.change(transitions.reject(job, command.fault, self._now))
        self._conversations.hold(job)
        self._keys.put(command)
        return Answer(Verdict.DONE, job.status)

    def _refusal(self, command: Submit) -> Answer | None:
        """Why the job is not taken, its budget aside."""
        if self._room <= 0:
            return Answer(Verdict.FULL)
        if command.pipeline in LINES:
            if not self._batches.takes(command):
                return Answer(Verdict.STALE)
        elif not self._turns.admits(command.tenant):
            return Answer(Verdict.TOO_MANY)
        if command.parent and (flaw := self._flaw_of(command.parent, command.tenant)):
            return Answer(Verdict.PARENT, detail=flaw)
        verdict = self._conversations.refusal(command.conversation, command.tenant, self._draft)
        return Answer(verdict) if verdict else None

    def _attach(self, answer: Answer, session: str) -> None:
        """The earlier job of a key gets the session of the later use, where it had one and is open."""
        job = self._draft.jobs.get(answer.job_id)
        if job is not None and job.attached_to and session and not job.status.terminal:
            self._draft.change(transitions.attach(job, session))

    def _flaw_of(self, parent: str, tenant: str) -> str:
        """Why no job can go on from this one; "" where one can."""
        job = self._draft.jobs.get(parent)
        if job is None or job.tenant != tenant or not job.stored:
            return "unknown"
        return "" if job.continuable else str(job.status)

    def _claim(self, command: Claim) -> list[ClaimedJob]:
        steps = self._steps(command.topic)
        held = self._draft.held(command.worker)
        if mine := [job for job in held if job.claim_id == command.claim_id]:
            return hand_out(self._draft.blobs, mine, [job.ready_at for job in mine], self._now)
        tester = self._testers.get(command.topic, command.worker)  # after a restart nobody has registered yet
        offered = offer(self._transaction, steps, self._turns, command, held, tester)
        if offered is None:
            return []  # its ticket stays out, so that the sweep brings the next one, not a busy loop
        self.effects.tickets[command.topic] += command.ticket
        adopted = self._draft.adopt(offered)
        claims = [self._draft.change(transitions.claim(job, command, self._now)) for job in adopted]
        return hand_out(self._draft.blobs, claims, [job.ready_at for job in offered], self._now)

    def _steps(self, topic: str) -> Steps:
        """Where its ready steps are read. Where all of them are in memory, they need not be written yet."""
        ready = self._draft.ready(topic)
        if len(ready) == self._turns.ready(topic) and not self._draft.has_unwritten_suspects:
            return ReadySteps(ready)
        self._flush()  # the queries must see what this batch has done so far
        return self._transaction

    def _finish(self, command: Finish) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is None:
            return Answer(Verdict.UNKNOWN)
        if job.settled == command.fence:
            return Answer(Verdict.DONE, job.status)  # a repeat
        if job.step_state is not StepState.CLAIMED or job.fence != command.fence:
            return Answer(Verdict.STALE, job.status)
        if (payload := payload_of(command.outcome)) is not None:
            self._draft.keep(job.tenant, payload)
        if not isinstance(command.outcome, Released):
            self.effects.finished[job.topic] += 1
        changed = self._draft.change(settle(job, command.outcome, self._now, self._random))
        return Answer(Verdict.DONE, changed.status)

    def _cancel(self, command: Cancel) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is None or job.tenant != command.tenant or job.deleted:
            return Answer(Verdict.UNKNOWN)
        if job.status.terminal:
            return Answer(Verdict.TERMINAL, job.status)
        if command.attached_to not in (None, job.attached_to):
            return Answer(Verdict.STALE, job.status)
        self._draft.revoke(job)
        return Answer(Verdict.DONE, self._draft.change(transitions.cancel(job, self._now)).status)

    def _delete(self, command: Delete) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is None or job.tenant != command.tenant:
            return Answer(Verdict.UNKNOWN)
        if not job.deleted:
            self._draft.revoke(job)
            job = self._draft.change(transitions.delete(job, self._now))
            self._draft.hide(job.id)
            self._forget_keys()
        return Answer(Verdict.DONE, job.status)

    def _orphan(self, command: Orphan) -> Answer:
        self._upkeep.orphan(command)
        return Answer(Verdict.DONE)

    def _create_batch(self, command: CreateBatch) -> Answer:
        answer = self._submit(command.job)
        if answer.verdict is Verdict.DONE and not answer.job_id:
            self._batches.create(command)
        return answer

    def _tick(self, command: Tick) -> Answer:
        self._batches.expire()
        self._upkeep.tick(command.limit)
        return Answer(Verdict.DONE)

    def _prune(self, command: Prune) -> int:
        self._flush()
        pruned = prune(self._transaction, command, self._now)
        self._draft.forget(pruned)
        self._forget_keys()
        lapsed = remove_lapsed_files(self._transaction, self._now, command.limit)
        self._vectors.drop_files([file.id for file in lapsed])
        taken = self._vectors.prune(command.limit)
        return max(len(pruned), self._keys.drop_old(command.limit), len(lapsed), taken)

    def _mark_sealed(self, command: MarkSealed) -> Answer:
        self._draft.seal(command.job_ids)
        return Answer(Verdict.DONE)

    def _close_errands(self, command: CloseErrands) -> Answer:
        self._transaction.drop_errands(command.done)
        self._transaction.postpone_errands(command.postponed, command.due_at)
        return Answer(Verdict.DONE)

    def _edit_file(self, command: FileEdit) -> Answer:
        answer = edit_file(self._transaction, command, self._now)
        if isinstance(command, DeleteFile) and answer.verdict is Verdict.DONE:
            self._vectors.drop_files([command.file])
        return answer

    def _edit_vectors(self, command: VectorEdit) -> Answer:
        if attach := attached_by(command):
            jobs = len(attach.files)
            if jobs > max(0, self._room):
                return Answer(Verdict.FULL)
            if not self._turns.admits(attach.tenant, jobs):
                return Answer(Verdict.TOO_MANY)
            self._room -= jobs
        return self._vectors.edit(command)

    def _settle(self, change: Change) -> None:
        """The job has just ended."""
        self._budgets.settle(change.job)
        self._conversations.settle(change.job, self._draft)
        self._vectors.settle(change)
        self._batches.settle(change)

    def _forget_keys(self) -> None:
        """Only jobs that are there, and shown, have keys."""
        self._keys.keep_those_of({job.id for job in self._draft.jobs.values() if not job.deleted})

    def _flush(self) -> None:
        self._draft.flush()
        self._keys.flush()
