"""Turns many callers into few calls: what is waiting when a call ends becomes the next call.

No timer: a lone command goes at once, and batches grow by themselves under load. Commands keep their
order. A caller that gave up is tolerated; its command still runs. A call that raises is repeated in halves,
down to single commands, so that one bad command fails alone: every command must therefore be repeatable. A
TransientError is no command's fault, so all callers get it at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from pipelines.errors import TransientError
from pipelines.ports import Ports, Task

C = TypeVar("C")
A = TypeVar("A")


class _Call(Generic[A]):
    """What one caller waits for. One future for all its commands: one each costs more than the work of many a call."""

    def __init__(self, size: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.results: list[A | Exception | None] = [None] * size
        self._left = size

    def settle(self, place: int, result: A | Exception) -> None:
        self.results[place] = result
        self._left -= 1
        if not self._left and not self.done.done():  # else its caller has gone
            self.done.set_result(None)


class _Entry(NamedTuple, Generic[C, A]):
    """A command, and where its answer goes."""

    command: C
    call: _Call[A]
    place: int


class Coalescer(Generic[C, A]):
    """Calls `apply` with all commands that wait, one call at a time; it answers one for one."""

    def __init__(
        self, apply: Callable[[list[C]], Awaitable[list[A]]], *, name: str, ports: Ports, limit: int = 1000
    ) -> None:
        self._apply = apply
        self._name = name
        self._ports = ports
        self._limit = limit  # commands per call
        self._waiting: list[_Entry[C, A]] = []
        self._task: Task | None = None

    async def do(self, commands: Sequence[C]) -> list[A]:
        """The answers to these commands, in their order. Raises what `apply` raised for the first that failed."""
        if not commands:
            return []
        call: _Call[A] = _Call(len(commands))
        self._waiting.extend([_Entry(command, call, place) for place, command in enumerate(commands)])
        if self._task is None:
            self._task = self._ports.spawn(self._run(), self._name)
        await call.done
        failed = next((result for result in call.results if isinstance(result, Exception)), None)
        if failed is not None:
            raise failed
        return call.results  # type: ignore[return-value]  # all are there, and no exception is among them

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                self._ports.metrics.observe("batch_size", len(batch), batch=self._name)
                await self._call(batch)
        finally:
            self._task = None

    async def _call(self, batch: list[_Entry[C, A]]) -> None:
        try:
            answers = await self._apply([entry.command for entry in batch])
        except TransientError as error:
            for entry in batch:
                entry.call.settle(entry.place, error)
        except Exception as error:  # noqa: BLE001 - handed to the callers
            if len(batch) == 1:
                batch[0].call.settle(batch[0].place, error)
                return
            middle = len(batch) // 2
            await self._call(batch[:middle])
            await self._call(batch[middle:])
        else:
            for (_, call, place), answer in zip(batch, answers, strict=True):
                call.settle(place, answer)
