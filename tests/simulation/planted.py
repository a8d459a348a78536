"""Planted bugs: each breaks one rule, and the simulation must find it for that reason."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from actors.dispatcher import Dispatcher
from actors.journal.disk import TABLES
from actors.journal.keys import Keys
from actors.journal.ledger import Ledger, Reply
from actors.journal.memory_transaction import MemoryTransaction
from actors.journal.rows import EventRow
from actors.token_log import ledger as log_ledger
from actors.token_log.memory import Log
from actors.token_log.protocol import Append, AppendVerdict, Logged
from actors.token_log.store import Head, Row
from actors.token_log.token_log import TokenLog
from pipelines import transitions
from pipelines.changes import Change
from pipelines.commands import Answer, Cancel, Claim, Command, Finish, Rendered, Submit, Verdict
from pipelines.edits import Edit
from pipelines.jobs import Status, StepState
from pipelines.outcomes import settle
from pipelines.steps import RENDER
from pipelines.suspects import MAX_LONE_CRASHES
from tests.simulation import planted_batches, planted_shards, planted_stores
from tests.simulation.disks import JournalDisk, JournalStore, TokenStore
from tests.simulation.kits import with_ledger
from tests.simulation.parts import Kit
from tests.simulation.world import World

UNSYNCED_S = 0.3  # how long a commit stays in danger where an fsync is skipped


class Bug(NamedTuple):
    """A kit with a bug, the violation that it must be found as, and which worlds have what the bug is in."""

    kind: str
    kit: Kit
    concerns: Callable[[World], object]


class _Changing(Ledger):
    """Alters each change of a job."""

    def apply(self, commands: Sequence[Command | Edit], parked: Sequence[Claim] = ()) -> list[Reply]:
        apply = self._draft.change
        self._draft.change = lambda change: apply(self.altered(change))  # type: ignore[method-assign]
        return super().apply(commands, parked)

    def altered(self, change: Change) -> Change:
        self.alter(change)
        return change

    def alter(self, change: Change) -> None:
        raise NotImplementedError


class Forgetful(Ledger):
    """Answers some submits and writes nothing."""

    def _submit(self, command: Submit) -> Answer:
        return Answer(Verdict.DONE, Status.QUEUED) if self._random.random() < 0.02 else super()._submit(command)


class Repetitive(Ledger):
    """Takes the repeat of an outcome for another one."""

    def _finish(self, command: Finish) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is not None and job.settled == command.fence and job.step_state is StepState.DONE:
            again = replace(job, step_state=StepState.CLAIMED, settled=0)
            self._draft.change(settle(again, command.outcome, self._now, self._random))
        return super()._finish(command)


class Flipping(Ledger):
    """Cancels what has ended."""

    def _cancel(self, command: Cancel) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is not None and job.status.terminal:
            return Answer(Verdict.DONE, self._draft.change(transitions.cancel(job, self._now)).status)
        return super()._cancel(command)


class Uncounting(_Changing):
    """Forgets the failures of what is tried again."""

    def alter(self, change: Change) -> None:
        if any(fact.DESCRIPTOR.name == "JobRetried" for fact in change.facts):
            change.job.failures = 0


class Hoarding(_Changing):
    """Forgets what a job that is cancelled has reserved."""

    def alter(self, change: Change) -> None:
        if change.job.status is Status.CANCELLED:
            change.job.reserved = 0


class Grasping(_Changing):
    """Forgets to give back what was found for a job that fails."""

    def altered(self, change: Change) -> Change:
        return change._replace(dropped=())


class Fenceless(Ledger):
    """Takes an outcome under any fence, as long as the job is at that step."""

    def _finish(self, command: Finish) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is None or job.status.terminal or job.settled == command.fence:
            return super()._finish(command)
        if isinstance(command.outcome, Rendered) == (job.step == RENDER):
            self._draft.jobs[job.id] = replace(job, step_state=StepState.CLAIMED)
            command = command._replace(fence=job.fence)
        return super()._finish(command)


class _Unread(Keys):
    """Looks up no key."""

    def load(self, commands: Sequence[Submit]) -> list[str]:
        del commands
        return []


class Keyless(Ledger):
    """Knows the keys of its own batch only."""

    def apply(self, commands: Sequence[Command | Edit], parked: Sequence[Claim] = ()) -> list[Reply]:
        self._keys = _Unread(self._transaction, self._now)
        return super().apply(commands, parked)


class Redriving(Ledger):
    """Does a dead letter again whenever it is asked to."""

    def _prepare(self, commands: Sequence[Command | Edit]) -> None:
        super()._prepare(commands)
        for letter in self._draft.letters.values():
            letter.redriven_as = ""


class Rash(_Changing):
    """Takes the second crash of a worker for proof against all that it held."""

    def alter(self, change: Change) -> None:
        if change.job.crashes:
            change.job.lone_crashes = MAX_LONE_CRASHES


class Unsynced(JournalStore):
    """Shows and answers a commit before it is durable: a crash loses the last ones."""

    def _sync(self, draft: JournalDisk) -> None:
        before = copy.copy(self._disk)
        super()._sync(draft)

        def lose() -> None:
            if self._disk.epoch == self.epoch:
                for name in TABLES:
                    setattr(self._disk, name, getattr(before, name))

        self._process.on_death[lose] = None
        self._process.loop.at(UNSYNCED_S, self._process.on_death.pop, lose, None, owner=self._process.context)


class _Swapping(MemoryTransaction):
    """Puts new events before the last one."""

    def append(self, events: Sequence[EventRow]) -> None:
        if events and len(self.disk.events) % 7 == 3:
            last = self.disk.events.pop()
            super().append([*events, last])
        else:
            super().append(events)


class Reordering(JournalStore):
    """Commits some events in another order than they happened."""

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with super().transaction() as transaction:
            yield _Swapping(transaction.disk)


class Stubborn(Dispatcher):
    """Believes in its tickets for ever."""

    async def _sweep(self) -> None:
        self._claimed.update(self._tickets)
        await super()._sweep()


class Unsealing(Dispatcher):
    """Says that logs are sealed, and some are not."""

    async def _seal(self) -> None:
        await self._seals.wait()
        if self._to_seal and self._ports.random.random() < 0.2:
            jobs, self._to_seal = list(self._to_seal), {}
            await self._journal.mark_sealed(jobs)
        await super()._seal()


class Inattentive(Dispatcher):
    """Misses no session."""

    def start(self) -> None:
        async def nothing() -> None:
            await self._ports.sleep(1000)

        self._attendance.dismiss = nothing  # type: ignore[method-assign]
        super().start()


class ShownFirst(TokenStore):
    """Shows and answers what is not yet durable: a crash takes it back."""

    def _sync(self, draft: dict[str, Log]) -> None:
        before = {job_id: self._disk.logs.get(job_id, Log()) for job_id in draft}
        super()._sync(draft)

        def lose() -> None:
            if self._disk.epoch == self.epoch:
                self._disk.logs.update(before)

        self._process.on_death[lose] = None
        self._process.loop.at(UNSYNCED_S, self._process.on_death.pop, lose, None, owner=self._process.context)


class _Overwriting(log_ledger.Ledger):
    """Lets a writer with an old fence, or at a number that is taken, write over what is there."""

    def _append(self, command: Append, head: Head) -> AppendVerdict:
        if head.seal is None and command.sequence < head.next_sequence:
            self._flush()
            self._transaction.drop_rows(command.job_id, command.sequence)
            head = head._replace(last=Row(command.job_id, 0, command.sequence, b""))
        return super()._append(command, head._replace(fence=min(head.fence, command.fence)))

    def _open(self, command: log_ledger.Open, head: Head) -> Logged | None:
        logged = super()._open(command, head)
        return logged if logged is None or logged.seal else Logged([], None)


class OverwritingLog(TokenLog):
    """See `_Overwriting`."""

    def _write(self, commands: list[log_ledger.Command]) -> list[log_ledger.Reply]:
        with self._store.transaction() as transaction:
            return _Overwriting(transaction, {}).apply(commands)


def _kinds() -> dict[str, tuple[str, Any]]:
    return {
        "a submit that is answered and lost": ("lost", with_ledger(Forgetful)),
        "an fsync that is skipped": ("lost", Kit(journal_store=Unsynced)),
        "a repeated outcome that counts twice": ("duplicated", with_ledger(Repetitive)),
        "a key that makes two jobs": ("duplicated", with_ledger(Keyless)),
        "a redrive that happens twice": ("duplicated", with_ledger(Redriving)),
        "an innocent that is given up": ("blame", with_ledger(Rash)),
        "a terminal state that flips": ("flipped", with_ledger(Flipping)),
        "attempts without bound": ("attempts", with_ledger(Uncounting)),
        "a reservation that is never released": ("budget", with_ledger(Hoarding)),
        "passages that are never given back": ("references", with_ledger(Grasping)),
        "a fence that is ignored": ("fence", with_ledger(Fenceless)),
        "events out of order": ("order", Kit(journal_store=Reordering)),
        "a ticket that is never given up": ("stuck", Kit(dispatcher=Stubborn)),
        "a log that stays open": ("unsealed", Kit(dispatcher=Unsealing)),
        "a session that nobody misses": ("forgotten", Kit(dispatcher=Inattentive)),
        "tokens shown before they are logged": ("shown", Kit(token_store=ShownFirst)),
        "a number with two contents": ("sequence", Kit(token_log=OverwritingLog)),
    }


PLANTED = {
    name: Bug(kind, kit, concerns)
    for concerns, bugs in (
        (lambda _: True, _kinds()),
        (lambda world: world.orders, planted_batches.bugs()),
        (lambda world: world.stores, planted_stores.bugs()),
        (lambda world: world.shards > 1, planted_shards.bugs()),
    )
    for name, (kind, kit) in bugs.items()
}
