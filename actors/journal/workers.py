"""Who works for this journal: registrations, leases, revocations. In memory only.

A lease is kept by polling and runs on the monotonic clock. After a restart of the journal every holder of a
claim gets a fresh full term: an outage of the journal is not a crash of the workers.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.journal.protocol import Heartbeat, Worker
from pipelines.commands import Claim
from pipelines.ports import Clock

LEASE_S = 20.0  # a worker silent for so long has lost its claims


class _Revocation(NamedTuple):
    at: float
    job_id: str
    fence: int


@dataclass(slots=True)
class _Seat:
    worker: Worker | None  # None: holds claims from before a restart and has not registered yet
    seen_at: float
    revoked: list[_Revocation] = field(default_factory=list)
    claims: Counter[str] = field(default_factory=Counter)  # the number of the newest claim, by topic
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Workers:
    """The registered workers, and what each holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seats: dict[str, _Seat] = {}
        self._held: Counter[tuple[str, str]] = Counter()  # claims by (topic, worker)

    def register(self, worker: Worker) -> None:
        """A worker offers its slots."""
        seat = self._seats.get(worker.id) or _Seat(None, 0.0)
        self._seats[worker.id] = _Seat(worker, self._clock.monotonic(), seat.revoked, seat.claims)

    def expect(self, worker_ids: Iterable[str]) -> None:
        """These hold claims; give them a full term to register."""
        for worker_id in worker_ids:
            self._seats.setdefault(worker_id, _Seat(None, self._clock.monotonic()))

    def remove(self, worker_id: str) -> None:
        """A worker is gone. A claim of its that came later than that has a lease of its own."""
        seat = self._seats.pop(worker_id, None)
        if seat is not None:
            seat.news.set()
        if worker_id in self.busy():
            self.expect([worker_id])

    def is_repeat(self, claim: Claim) -> bool:
        """Whether this claim, or a newer one of the worker's, has been seen: then it must get nothing new."""
        seat = self._seats.get(claim.worker)
        return seat is not None and 0 < claim.number <= seat.claims[claim.topic]

    def see(self, claim: Claim) -> None:
        """This claim is served."""
        if seat := self._seats.get(claim.worker):
            seat.claims[claim.topic] = max(seat.claims[claim.topic], claim.number)

    async def heartbeat(self, worker_id: str, wait_s: float) -> Heartbeat:
        """Renew the lease; answer at once when there is something to revoke.

        An answer may be lost, so each tells again what was revoked up to a lease before the last sign of life.
        """
        seat = self._seats.get(worker_id)
        if seat is None or seat.worker is None:
            return Heartbeat(known=False, revoked=[])
        known_since = seat.seen_at - LEASE_S
        seat.seen_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(wait_s):
                await seat.news.wait()
        except TimeoutError:
            pass
        finally:
            seat.seen_at = self._clock.monotonic()
        seat.news.clear()
        seat.revoked = [each for each in seat.revoked if each.at > known_since]
        revoked = [(each.job_id, each.fence) for each in seat.revoked]
        return Heartbeat(known=worker_id in self._seats, revoked=revoked)

    def topics(self, worker_id: str) -> tuple[str, ...]:
        """From which a worker takes work; none where it is not registered."""
        seat = self._seats.get(worker_id)
        return seat.worker.topics if seat is not None and seat.worker is not None else ()

    def revoke(self, worker_id: str, job_id: str, fence: int) -> None:
        """The worker must abort this claim."""
        seat = self._seats.get(worker_id)
        if seat is not None:
            seat.revoked.append(_Revocation(self._clock.monotonic(), job_id, fence))
            seat.news.set()

    def count(self, claimed: Counter[tuple[str, str]]) -> None:
        """Claims taken (positive) and given up (negative). Who holds one has a lease, registered or not."""
        self._held.update(claimed)
        self.expect(worker_id for (_, worker_id), number in claimed.items() if number > 0)
        for key in [key for key in claimed if self._held[key] <= 0]:
            del self._held[key]

    def recount(self, claimed: Counter[tuple[str, str]]) -> None:
        """These claims are in force, and no others."""
        self._held.clear()
        self.count(claimed)

    def claimed(self, topic: str) -> int:
        """Claims of a topic that are in force."""
        return sum(count for (name, _), count in self._held.items() if name == topic)

    def holders(self, topic: str) -> set[str]:
        """Who has claims of a topic in force."""
        return {worker_id for (name, worker_id), count in self._held.items() if name == topic and count > 0}

    def busy(self) -> set[str]:
        """Who has claims in force."""
        return {worker_id for _, worker_id in self._held}

    def claims(self) -> int:
        """All claims that are in force."""
        return self._held.total()

    def of(self, topic: str) -> list[Worker]:
        """The registered workers of a topic, but for those that are leaving."""
        return [worker for worker in self.registered() if worker.slots and topic in worker.topics]

    def testers(self) -> dict[str, str]:
        """By topic, the one worker that tries suspects."""
        workers = sorted(self.registered(), key=lambda worker: worker.id)
        return {topic: worker.id for worker in workers if worker.slots for topic in worker.topics}

    def with_room(self, topic: str) -> int:
        """How many workers that take tickets of a topic have a free slot."""
        pulling = [worker for worker in self.of(topic) if not worker.called]
        return sum(self._held[topic, worker.id] < worker.slots for worker in pulling)

    def registered(self) -> list[Worker]:
        """All registered workers."""
        return [seat.worker for seat in self._seats.values() if seat.worker is not None]

    def silent(self) -> list[str]:
        """Those whose lease has run out."""
        limit = self._clock.monotonic() - LEASE_S
        return [worker_id for worker_id, seat in self._seats.items() if seat.seen_at < limit]
