"""The journal: the truth about every job. A plain class; `actors/shells.py` makes it a Ray actor.

Invariants: an answer is given only after its commit is on disk; commit order is read order; every mutation may be
repeated; one epoch writes. Batches are what was waiting while the last commit ran, never a timer's.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from actors.coalescer import Coalescer
from actors.crash_points import crash_point
from actors.journal.arrivals import Arrivals
from actors.journal.backlog import Backlog
from actors.journal.census import Census
from actors.journal.effects import Effects
from actors.journal.errands import Errand
from actors.journal.ledger import Ledger, Reply
from actors.journal.limits import DEFAULT_LIMITS, Limits
from actors.journal.protocol import NOWHERE, Heartbeat, Places, Session, StoreInfo, Worker
from actors.journal.retention import JOB_BYTES, UNSTORED_S, size_of
from actors.journal.sessions import Sessions
from actors.journal.store import Store, Transaction
from actors.journal.working_set import WorkingSet
from actors.stores import StaleEpochError
from actors.telemetry.story import tell_claims, tell_commit
from pipelines.chores import Abandon, CloseErrands, MarkSealed, Orphan, Prune, Tick, WindDown
from pipelines.commands import Answer, Cancel, Claim, Command, Delete, Finish, Redrive, Submit
from pipelines.edits import Edit
from pipelines.jobs import ClaimedJob
from pipelines.ports import Ports

T = TypeVar("T")
COMING_S = 0.25  # how long a claim waits for a step whose predecessor is being worked on


class Journal(Backlog):
    """Answers `JournalApi` on a store. `on_commit` hears of every committed batch, on the event loop."""

    ledger = Ledger  # the rules

    def __init__(
        self,
        store: Store,
        *,
        ports: Ports,
        places: Places = NOWHERE,
        shard: int = 0,
        shards: int = 1,
        coming_s: float = COMING_S,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(store, ports, limits)
        self._places = places
        self.shard = shard
        self._shards = shards
        self._coming_s = coming_s
        self._limits = limits
        self._working: WorkingSet | None = None  # None: not read yet
        self._is_in_doubt = False  # whether the last transaction was done
        self._census: Census | None = None  # from then on, as long as none has come to its commit
        self._kept = 0  # bytes of the jobs that have ended, where they are limited
        self._replaced: StaleEpochError | None = None
        self._commits: Coalescer[Command | Edit, Reply] = Coalescer(self._commit, name="journal", ports=ports)
        self.sessions = Sessions(ports.clock)
        self.unasked: Counter[str] = Counter()  # claims under way that took no ticket, by topic
        self._arrivals = Arrivals()
        self.on_commit: Callable[[Effects], None] = lambda _: None
        self._take_stock(store.census())

    @property
    def parts(self) -> "tuple[Journal]":
        """This one alone."""
        return (self,)

    def home(self, tenant: str) -> int:
        """This shard."""
        del tenant
        return self.shard

    async def info(self) -> StoreInfo:
        """Which store answers."""
        return StoreInfo(self._store.uuid, self._store.epoch, self._places, self._shards)

    async def register(self, worker: Worker) -> None:
        """A worker offers its slots."""
        self.workers.register(worker)
        self.on_commit(Effects())

    async def deregister(self, worker_id: str) -> None:
        """A worker leaves in order."""
        await self.orphan(worker_id, crashed=False)

    async def heartbeat(self, worker_id: str, wait_s: float) -> Heartbeat:
        """Long poll for revoked claims. Raises StaleEpochError where a newer journal has taken over."""
        if self._replaced is not None:
            raise self._replaced
        heartbeat = await self.workers.heartbeat(worker_id, wait_s)
        return heartbeat if self._shards == 1 else await self._with_news(heartbeat, worker_id)

    async def session(self, session: Session) -> None:
        """An ingestion session lives. Raises StaleEpochError where a newer journal has taken over."""
        if self._replaced is not None:
            raise self._replaced
        self.sessions.see(session)

    async def end_session(self, session_id: str) -> None:
        """An ingestion session has ended."""
        self.sessions.end(session_id)

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        """Accept jobs. A claim that comes while they are written waits for their first step."""
        coming = Counter(command.first_step.topic for command in batch)
        self.counts.write(coming, +1)
        try:
            return await self._answers(batch)
        finally:
            self.counts.write(coming, -1)

    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        """The best ready steps of a topic; a repeat gets what is left of the first answer.

        Where none is ready but one is coming, it is waited for a moment.
        """
        self.unasked[claim.topic] += not claim.ticket
        try:
            claims = await self._claim(claim)
        finally:
            self.unasked[claim.topic] -= not claim.ticket
        if not claims:
            self.on_commit(Effects())  # whoever asked now waits for a ticket
        return claims

    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        """Take outcomes."""
        return await self._answers(batch)

    async def cancel(self, batch: Sequence[Cancel]) -> list[Answer]:
        """End jobs."""
        return await self._answers(batch)

    async def delete(self, batch: Sequence[Delete]) -> list[Answer]:
        """Hide jobs and end them."""
        return await self._answers(batch)

    async def abandon(self, session_id: str, limit: int) -> int:
        """Cancel what is attached to a session, at most so many; how many they were."""
        return await self._number(Abandon(session=session_id, limit=limit))

    async def redrive(self, batch: Sequence[Redrive]) -> list[Answer]:
        """Do dead letters again."""
        return await self._answers(batch)

    async def edit(self, batch: Sequence[Edit]) -> list[Answer]:
        """Make, change and forget conversations, templates, files and vector stores."""
        return await self._answers(batch)

    async def orphan(self, worker_id: str, *, crashed: bool) -> None:
        """A worker is gone: offer its claims again."""
        await self._answers([Orphan(worker=worker_id, crashed=crashed)])
        self.workers.remove(worker_id)

    async def tick(self) -> None:
        """Let time act."""
        await self._answers([Tick()])

    async def mark_sealed(self, job_ids: Sequence[str]) -> None:
        """The logs of these jobs are sealed."""
        await self._answers([MarkSealed(job_ids=tuple(job_ids))])

    async def prune(self, limit: int) -> bool:
        """Remove finished jobs that are too old or too much, at most so many; whether there may be more."""
        until = self._ports.clock.now() - self._limits.retention.age_s
        command = Prune(
            finished_until=until,
            unstored_until=self._ports.clock.now() - UNSTORED_S,
            surplus=self._limits.retention.surplus(self._kept),
            limit=limit,
        )
        return await self._number(command) == limit

    async def wind_down(self, limit: int) -> int:
        """End lines of batches that are to end early, at most so many; 0 where there is nothing to do."""
        return await self._number(WindDown(limit=limit))

    async def close_errands(self, done: Sequence[Errand], postponed: Sequence[Errand], wait_s: float) -> None:
        """These errands were run; those others are due again after a while."""
        ids, later = (tuple(errand.id for errand in errands) for errands in (done, postponed))
        await self._answers([CloseErrands(done=ids, postponed=later, due_at=self._ports.clock.now() + wait_s)])

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    async def _claim(self, claim: Claim) -> list[ClaimedJob]:
        claims = await self._arrivals.wait(claim, self._coming_s) if self._may_park(claim) else None
        if claims is None:
            claims = await self._claim_now(claim)
        tell_claims(claims, self._ports)
        return claims

    def _may_park(self, claim: Claim) -> bool:
        """Whether it waits for what is coming. A repeat gets nothing new."""
        is_coming = self.claimable(claim.topic) <= 0 < self.counts.coming[claim.topic]
        return self._coming_s > 0 and is_coming and not self.workers.is_repeat(claim)

    async def _claim_now(self, claim: Claim) -> list[ClaimedJob]:
        if self.workers.is_repeat(claim):  # after the wait, so that a repeat never overtakes the first
            claim = replace(claim, slots=0)
        elif not claim.ticket and self.claimable(claim.topic) <= 0:
            return []
        self.workers.see(claim)
        (reply,) = await self._commits.do([claim])
        return cast("list[ClaimedJob]", reply)

    def _take_stock(self, census: Census) -> None:
        self._turns.restart(census.rows)
        self._recount(census)
        self.sessions.expect(self._store.sessions())
        if self._limits.retention.bytes:
            jobs, payloads = self._store.finished_sizes()
            self._kept = jobs * JOB_BYTES + payloads

    async def _number(self, command: Command) -> int:
        (reply,) = await self._commits.do([command])
        return cast("int", reply)

    async def _answers(self, commands: Sequence[Command | Edit]) -> list[Answer]:
        replies = await self._commits.do(commands)
        return [reply for reply in replies if isinstance(reply, Answer)]

    async def _commit(self, commands: list[Command | Edit]) -> list[Reply]:
        started = self._ports.clock.monotonic()
        testers, room = self.workers.testers(), self._limits.backlog - self.open_jobs()
        parked = self._arrivals.take()
        claims = [each.claim for each in parked]
        try:
            replies, effects = await self._ports.run_blocking(lambda: self._write(commands, claims, testers, room))
        except BaseException as error:
            self._arrivals.give_back(parked)
            self._is_in_doubt = True
            if isinstance(error, StaleEpochError):
                self._replaced = error  # idle workers call nothing but the heartbeat
            raise
        self._is_in_doubt = False
        took_s = self._ports.clock.monotonic() - started
        for claim in self._arrivals.settle(parked, replies[len(commands) :]):
            self.workers.see(claim)
        self._announce(effects)
        tell_commit(effects.changes, effects.ended, took_s=took_s, ports=self._ports)
        return replies[: len(commands)]  # type: ignore[no-any-return]  # run_blocking gives what the call gave

    def _write(
        self, commands: list[Command | Edit], parked: list[Claim], testers: dict[str, str], room: int
    ) -> tuple[list[Reply], Effects]:
        with self._store.transaction() as transaction:
            ledger = self._open_ledger(transaction, testers, room)
            replies = ledger.apply(commands, parked)
            crash_point("journal.commit.before")
            self._census = None
        crash_point("journal.commit.after")
        return replies, ledger.effects

    def _open_ledger(self, transaction: Transaction, testers: dict[str, str], room: int) -> Ledger:
        if self._is_in_doubt:
            self._census = self._census or transaction.census()
            self._turns.restart(self._census.rows)
        if self._working is None or self._is_in_doubt:
            self._working = WorkingSet(transaction.claimed())
        ledger = self.ledger(
            transaction,
            self._turns,
            self._working,
            now=self._ports.clock.now(),
            random=self._ports.random,
            new_id=lambda prefix: self._ports.ids.new(prefix, self.shard),
            testers=testers,
            room=room,
            token_budgets=self._limits.token_budgets,
        )
        ledger.effects.census = self._census
        return ledger

    def _announce(self, effects: Effects) -> None:
        if effects.census is not None:
            self._recount(effects.census)
        self.counts.add(effects)
        self._arrivals.tell(lambda topic: self.claimable(topic) > 0)
        self.workers.count(effects.claimed)
        self.sessions.expect(effects.attached)
        for worker, job_id, fence in effects.revoked:
            self.workers.revoke(worker, job_id, fence)
        if effects.pruned:
            self._ports.metrics.count("jobs_pruned", len(effects.pruned))
        if self._limits.retention.bytes:
            self._kept += sum(map(size_of, effects.ended)) - sum(map(size_of, effects.pruned))
        self._followers.mark(effects.followed)
        self.on_commit(effects)
