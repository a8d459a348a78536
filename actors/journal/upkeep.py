"""What time and death do to jobs: their own deadlines and those of steps and attempts, lost workers, lost clients."""

from random import Random  # noqa: TID251 - a generator is handed in

from actors.journal.draft import Draft
from actors.journal.store import Transaction
from actors.journal.turns import Turns
from pipelines import transitions
from pipelines.chores import Orphan
from pipelines.shares import NEAR_S


class Upkeep:
    """One batch's. Each method writes first what the batch has changed so far, so that its queries see it."""

    def __init__(self, transaction: Transaction, draft: Draft, turns: Turns, *, now: float, random: Random) -> None:
        self._transaction = transaction
        self._draft = draft
        self._turns = turns
        self._now = now
        self._random = random

    def tick(self, limit: int) -> None:
        """Let time act, on so many jobs of each kind."""
        self._expire(limit)
        self._promote(limit)
        self._give_up(limit)
        self._take_back(limit)
        self._wake(limit)

    def orphan(self, command: Orphan) -> None:
        """A worker is gone."""
        self._draft.flush()
        held = self._draft.adopt(self._draft.held(command.worker))
        for job in held:
            self._draft.revoke(job)
        for change in transitions.orphan(held, command, self._now):
            self._draft.change(change)

    def abandon(self, session: str, limit: int) -> int:
        """Cancel what is attached to a session that is over; how many."""
        self._draft.flush()
        left = self._draft.adopt(self._transaction.attached(session, limit))
        for job in left:
            self._draft.revoke(job)
            self._draft.change(transitions.cancel(job, self._now))
        return len(left)

    def _expire(self, limit: int) -> None:
        self._draft.flush()
        for job in self._draft.adopt(self._transaction.overdue(self._now, limit)):
            self._draft.revoke(job)
            self._draft.change(transitions.expire(job, self._now))

    def _promote(self, limit: int) -> None:
        """Each deadline is come to once, as the horizon passes it."""
        self._draft.flush()
        since, until = max(self._now, self._turns.horizon), self._now + NEAR_S
        near = self._draft.adopt(self._transaction.nearing(since, until, NEAR_S, limit))
        for job in near:
            self._draft.change(transitions.promote(job))
        self._turns.horizon = near[-1].deadline_at if len(near) == limit else until

    def _give_up(self, limit: int) -> None:
        self._draft.flush()
        for job in self._draft.adopt(self._transaction.spent(self._now, limit)):
            self._draft.revoke(job)
            self._draft.change(transitions.give_up(job, self._now))

    def _take_back(self, limit: int) -> None:
        self._draft.flush()
        for job in self._draft.adopt(self._transaction.late(self._now, limit)):
            self._draft.revoke(job)
            self._draft.change(transitions.take_back(job, self._now, self._random))

    def _wake(self, limit: int) -> None:
        self._draft.flush()
        for job in self._draft.adopt(self._transaction.due(self._now, limit)):
            self._draft.change(transitions.wake(job, self._now))
