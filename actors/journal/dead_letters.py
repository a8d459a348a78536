"""Dead letters that are done again: the new job has what the old one had, and each letter is redriven once."""

from collections.abc import Callable, Sequence

from actors.journal.budgets import Budgets
from actors.journal.conversations import Conversations
from actors.journal.draft import Draft
from actors.journal.envelopes import context_of, open_envelope
from actors.journal.store import Transaction
from actors.journal.turns import Turns
from actors.journal.vector_stores import VectorStores
from pipelines import transitions
from pipelines.changes import Change
from pipelines.commands import Answer, Redrive, Verdict
from pipelines.jobs import DeadLetter, Reference
from pipelines.steps import LINES


class DeadLetters:
    """One batch's."""

    def __init__(
        self,
        transaction: Transaction,
        turns: Turns,
        draft: Draft,
        conversations: Conversations,
        budgets: Budgets,
        vectors: VectorStores,
        *,
        now: float,
        new_id: Callable[[str], str],
    ) -> None:
        self._transaction = transaction
        self._turns = turns
        self._draft = draft
        self._conversations = conversations
        self._budgets = budgets
        self._vectors = vectors
        self._now = now
        self._new_id = new_id  # by prefix
        self._contexts: dict[str, tuple[Reference, ...]] = {}  # of the jobs that are redriven

    def load(self, job_ids: Sequence[str]) -> None:
        """Read those of these jobs, and what the jobs were submitted with."""
        self._draft.letters.update((letter.job_id, letter) for letter in self._transaction.dead_letters(job_ids))
        for envelope, fact in map(open_envelope, self._transaction.first_events(job_ids)):
            self._contexts[envelope.job_id] = context_of(fact)

    def redrive(self, command: Redrive) -> Answer:
        """The new job, or the one that an earlier redrive has made."""
        letter = self._draft.letters.get(command.job_id)
        if letter is None or letter.tenant != command.tenant:
            return Answer(Verdict.UNKNOWN)
        refusal = None if letter.redriven_as else self._again(letter, command)
        return refusal or Answer(Verdict.DONE, job_id=letter.redriven_as)

    def _again(self, letter: DeadLetter, command: Redrive) -> Answer | None:
        """Make the new job, or say why there is none."""
        dead = self._draft.jobs[letter.job_id]
        if self._conversations.refusal(dead.conversation, dead.tenant, self._draft) is Verdict.LOCKED:
            return Answer(Verdict.LOCKED)
        if dead.pipeline not in LINES and not self._turns.admits(dead.tenant):
            return Answer(Verdict.TOO_MANY)
        reserved = self._budgets.reserve(dead.tenant, dead.reserved)
        if reserved is None:
            return Answer(Verdict.OVER_BUDGET)
        context = self._contexts.get(dead.id, ())
        change = transitions.redrive(dead, command, self._new_id("resp"), self._now, context=context, reserved=reserved)
        letter.redriven_as = change.job.id
        self._add(change, context)
        self._draft.put_letter(letter)
        return None

    def _add(self, change: Change, context: tuple[Reference, ...]) -> None:
        job = change.job
        self._draft.refer(job.tenant, (job.request, *context))
        if job.rendered is not None:
            self._draft.refer(job.tenant, [job.rendered])
        self._conversations.hold(self._draft.add(change))
        self._vectors.renew(job)
