"""Where the calls of a replica wait: its pullers claim a step for each of them, and a call returns when that is done.

Invariants:
- No step is claimed for nobody: a puller gets at most as many as there are calls that wait.
- Every call returns: with what follows, or with nothing where no step was ready or another has decided the job.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from actors.journal.protocol import ShardApi
from actors.naming import TOPIC_SIZE
from actors.puller import Handler
from actors.topics.in_process import InProcessTopic
from pipelines.commands import Answer, Claim, Finish
from pipelines.jobs import ClaimedJob
from pipelines.outcomes import following_topic

Call = asyncio.Future[str]  # it gets the topic of the step that follows


class _Served(NamedTuple):
    """A step that is worked on, and who waits for it."""

    topic: str
    claim: ClaimedJob
    call: Call


class Desk:
    """Of one replica, for all topics of its pullers."""

    def __init__(self) -> None:
        self._topics: dict[str, InProcessTopic] = {}
        self._waiting: defaultdict[str, dict[Call, None]] = defaultdict(dict)  # by topic, in their order
        self._served: dict[tuple[str, int], _Served] = {}  # by job and fence
        self._closed: set[str] = set()  # topics

    def topic(self, name: str) -> InProcessTopic:
        """Tells a puller that there are calls."""
        return self._topics.setdefault(name, InProcessTopic(name, size=TOPIC_SIZE))

    async def work(self, topic: str) -> str:
        """Do one step of this topic; the topic of the step that follows at once, or "".

        Raises LookupError where nobody here works on the topic.
        """
        if topic in self._closed:
            return ""
        tickets, call = self._topics[topic], asyncio.get_running_loop().create_future()
        self._waiting[topic][call] = None
        try:
            await tickets.put(1)
            return str(await call)
        finally:
            self._waiting[topic].pop(call, None)  # where the caller has gone

    def waiting(self, topic: str) -> int:
        """How many calls have no step yet."""
        return len(self._waiting[topic])

    async def serve(self, topic: str, claims: Sequence[ClaimedJob], asked: int) -> None:
        """Give these steps to the calls that have waited longest; who asked with them and got none has its answer."""
        for claim in claims:
            if self.waiting(topic):
                self._served[claim.job_id, claim.fence] = _Served(topic, claim, self._first(topic))
        for _ in range(min(asked - len(claims), self.waiting(topic))):
            _answer(self._first(topic), "")
        if self.waiting(topic):
            await self.topic(topic).put(1)

    def settle(self, finish: Finish) -> None:
        """The outcome of a step is answered."""
        served = self._served.pop((finish.job_id, finish.fence), None)
        if served is not None:
            _answer(served.call, following_topic(finish.outcome, served.claim.model))

    def served(self, topics: Collection[str]) -> list[ClaimedJob]:
        """The steps of these topics that calls wait for."""
        return [served.claim for served in self._served.values() if served.topic in topics]

    def dismiss(self, job_id: str, fence: int) -> None:
        """Another has decided this job, or will."""
        for key in [key for key in self._served if key[0] == job_id and key[1] <= fence]:
            _answer(self._served.pop(key).call, "")

    def close(self, topics: Collection[str]) -> None:
        """Nothing more is done of these topics here: their worker leaves."""
        self._closed |= set(topics)
        calls = [call for topic in topics for call in self._waiting.pop(topic, {})]
        keys = [key for key, served in self._served.items() if served.topic in topics]
        for call in [*calls, *(self._served.pop(key).call for key in keys)]:
            _answer(call, "")

    def _first(self, topic: str) -> Call:
        call = next(iter(self._waiting[topic]))
        del self._waiting[topic][call]
        return call


def _answer(call: Call, following: str) -> None:
    if not call.done():
        call.set_result(following)


class DeskJournal:
    """The journal, as a replica with a desk sees it. What it is not told here it answers as ever."""

    def __init__(self, journal: ShardApi, desk: Desk) -> None:
        self._journal = journal
        self._desk = desk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def claim(self, claim: Claim) -> list[ClaimedJob]:
        """Steps for the calls that wait, and no more."""
        asked = min(claim.slots, self._desk.waiting(claim.topic))
        if not asked:
            return []
        claims = await self._journal.claim(replace(claim, slots=asked))
        await self._desk.serve(claim.topic, claims, asked)
        return claims

    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        """Take outcomes, and let the calls return."""
        answers = await self._journal.finish(batch)
        for finish in batch:
            self._desk.settle(finish)
        return answers


class DeskHandler:
    """The handler of a worker of these topics, at a desk: a call whose job another has decided returns."""

    def __init__(self, handler: Handler, desk: Desk, topics: Collection[str]) -> None:
        self._handler = handler
        self._desk = desk
        self._topics = topics
        self.free_slots = handler.free_slots
        self.handle = handler.handle

    async def wait_for_slot(self) -> None:
        """Lets others run, also where the handler has a slot at once."""
        await self._handler.wait_for_slot()
        await asyncio.sleep(0)

    def held(self) -> list[ClaimedJob]:
        """What it works on, and what calls wait for: it may have dropped a job for which the journal refused it."""
        claims = [*self._handler.held(), *self._desk.served(self._topics)]
        return list({(claim.job_id, claim.fence): claim for claim in claims}.values())

    def revoke(self, job_id: str, fence: int) -> None:
        """Abort silently, and let the call return."""
        self._handler.revoke(job_id, fence)
        self._desk.dismiss(job_id, fence)

    async def drain(self) -> None:
        """Hand back what runs, and let all calls return."""
        await self._handler.drain()
        self._desk.close(self._topics)
