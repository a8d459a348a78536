"""What waits for workers, by topic, and what each of them is told of it."""

from collections.abc import Sequence

from actors.journal.census import Census
from actors.journal.counts import Counts
from actors.journal.limits import Limits
from actors.journal.protocol import Depth, Heartbeat, Waiting
from actors.journal.reads import Reads
from actors.journal.store import Store
from actors.journal.turns import Turns
from actors.journal.workers import Workers
from pipelines.ports import Ports


class Backlog(Reads):
    """The part of the journal that knows how much there is to do, and for whom."""

    def __init__(self, store: Store, ports: Ports, limits: Limits) -> None:
        super().__init__(store, ports)
        self._turns = Turns(limits.tenants)
        self.workers = Workers(ports.clock)
        self.counts = Counts()

    def claimable(self, topic: str) -> int:
        """The ready steps, but for those of tenants that have as many in work as they may."""
        return self.counts.ready[topic] - self._turns.held_back(topic)

    def open_jobs(self) -> int:
        """Those that are not terminal."""
        return self.counts.unclaimed + self.workers.claims()

    async def depth(self) -> dict[str, Depth]:
        """The work of every topic."""
        topics = {topic for worker in self.workers.registered() for topic in worker.topics}
        return {topic: await self._depth(topic) for topic in sorted(topics | self.counts.topics)}

    def _recount(self, census: Census) -> None:
        self.counts.restart(census)
        self.workers.recount(census.claimed)

    async def _depth(self, topic: str) -> Depth:
        since, claimable = await self._read(lambda: self._next_since(topic)), self.claimable(topic)
        return Depth(
            ready=claimable,
            claimed=self.workers.claimed(topic),
            waiting=self.counts.waiting[topic] + self.counts.ready[topic] - claimable,
            age_s=0.0 if since is None else max(0.0, self._ports.clock.now() - since),
            workers=len(self.workers.of(topic)),
            finished=self.counts.finished[topic],
            holders=tuple(sorted(self.workers.holders(topic))),
        )

    def _next_since(self, topic: str) -> float | None:
        turn = self._turns.next(topic)
        if turn is None:
            return self._store.next_suspect(topic)
        return self._store.next_ready(topic, (turn.lowest, turn.highest), turn.tenant)

    async def _with_news(self, heartbeat: Heartbeat, worker_id: str) -> Heartbeat:
        """The answer, with what there is for the worker here, which it weighs against what other shards have."""
        topics, testers = self.workers.topics(worker_id), self.workers.testers()
        if not topics:  # it has left meanwhile
            return heartbeat
        tried = [topic for topic in topics if testers.get(topic) == worker_id]
        alone = await self._read(lambda: self._store.has_suspects(worker_id, tried))
        return heartbeat._replace(waiting=self._waiting(topics), alone=alone)

    def _waiting(self, topics: Sequence[str]) -> tuple[Waiting, ...]:
        turns = [(topic, self._turns.next(topic)) for topic in topics]
        return tuple([Waiting(topic, self.claimable(topic), turn.highest if turn else 0) for topic, turn in turns])
