"""Drives jobs from step to step: calls a service for every step that is ready, and when it is done, that of the next.

A call names no job: the service claims the most urgent step of the topic, so that there is one call for every step,
and the journal decides which is whose. All that a driver knows can be lost: a sweep asks the journal for what is ready,
also for jobs whose own driver has died, and for those that no client of this process has submitted.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from actors.journal.protocol import JournalApi
from actors.supervision import supervise
from pipelines.commands import Answer, Submit
from pipelines.edits import Edit
from pipelines.errors import TransientError
from pipelines.ports import Ports, Task

log = logging.getLogger("heliograph")
SWEEP_S = 1.0
MOST_CALLS = 1000  # at once for one topic; those beyond the service's room wait there


class ServiceApi(Protocol):
    """A service whose steps are called for."""

    async def work(self, topic: str) -> str:
        """Do one step of this topic; the topic of the step that follows it at once, or "".

        Returns when the outcome is in the journal, or at once where nothing is ready. Raises TransientError.
        """


class Driver:
    """Of one process of ingestion. `services` are by topic."""

    def __init__(
        self, services: Mapping[str, ServiceApi], *, journal: JournalApi, ports: Ports, most: int = MOST_CALLS
    ) -> None:
        self._services = services
        self._journal = journal
        self._ports = ports
        self._most = most
        self._due: Counter[str] = Counter()  # steps that are to be called for, by topic
        self._calls: Counter[str] = Counter()  # under way, by topic
        self._work = asyncio.Event()
        self._news = asyncio.Event()
        self._loops: list[Task] = []

    def start(self) -> None:
        """Begin with what is there."""
        self._news.set()
        for turn in (self._call_out, self._sweep):
            self._loops.append(supervise(turn, name=f"driver {turn.__name__.strip('_')}", ports=self._ports))

    def stop(self) -> None:
        """Call no more. Steps that were called for go on to their ends."""
        for loop in self._loops:
            loop.cancel()

    def due(self, topic: str) -> None:
        """A step of this topic is ready."""
        if topic in self._services:
            self._due[topic] += 1
            self._work.set()

    def look(self) -> None:
        """Some step may be ready."""
        self._news.set()

    async def _call_out(self) -> None:
        """Begin the calls here, so that none of them belongs to the request that was its cause and may end."""
        await self._work.wait()
        self._work.clear()
        for topic, due in list(self._due.items()):
            free = self._most - self._calls[topic]
            for _ in range(min(due, free)):
                self._due[topic] -= 1
                self._calls[topic] += 1
                self._ports.spawn(self._call(topic), "call")

    async def _call(self, topic: str) -> None:
        try:
            following = await self._services[topic].work(topic)
            if following:
                self.due(following)
        except Exception as error:
            if not isinstance(error, TransientError):  # of which there is one for every call of a dead replica
                log.exception("a service failed", extra={"topic": topic})
            self._ports.metrics.count("loop_failures", loop="call")
            self._due[topic] = 0  # the sweep calls again
        finally:
            self._calls[topic] -= 1
            self._work.set()

    async def _sweep(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_S):
                await self._news.wait()
        self._news.clear()
        for topic, depth in (await self._journal.depth()).items():
            if topic in self._services:
                self._due[topic] = max(self._due[topic], depth.ready)
        self._work.set()


class DriverJournal:
    """The journal, as a process with a driver sees it: what is accepted is called for."""

    def __init__(self, journal: JournalApi, driver: Driver) -> None:
        self._journal = journal
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        """Accept jobs."""
        answers = await self._journal.submit(batch)
        for command in batch:
            self._driver.due(command.first_step.topic)
        return answers

    async def edit(self, batch: Sequence[Edit]) -> list[Answer]:
        """Change what outlives jobs; some changes come with jobs."""
        answers = await self._journal.edit(batch)
        self._driver.look()
        return answers
