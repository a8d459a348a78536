"""What tests of a puller give it: hands, a heart, a journal that takes its time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from actors.journal.journal import Journal
from actors.journal.protocol import Heartbeat, Worker
from pipelines.commands import Claim
from pipelines.jobs import ClaimedJob
from tests.factories import PROMPTING


class Hands:
    """A handler that keeps what it is given until told to let go."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.claims: list[ClaimedJob] = []
        self.batches: list[int] = []
        self.revoked: asyncio.Queue[str] = asyncio.Queue()
        self.got = asyncio.Event()
        self._freed = asyncio.Event()

    def free_slots(self) -> int:
        return self._slots - len(self.claims)

    async def wait_for_slot(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        self.claims.extend(claims)
        self.batches.append(len(claims))
        self.got.set()

    def let_go(self) -> None:
        self.claims.clear()
        self.got.clear()
        self._freed.set()

    def held(self) -> Sequence[ClaimedJob]:
        return self.claims

    def revoke(self, job_id: str, fence: int) -> None:
        del fence
        self.revoked.put_nowait(job_id)

    async def drain(self) -> None:
        self.let_go()


class SilentHeart:
    """Beats when the test says so."""

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        del worker_id
        self.beat = take_in

    def stop(self) -> None:
        pass


class SlowJournal:
    """The journal, whose claims are answered when the test lets them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        claims = await self._journal.claim(claim)
        self.asked.set()
        await self.answer.wait()
        return claims


def seat(slots: int) -> Worker:
    return Worker(id="w1", topic=PROMPTING, slots=slots)
