"""Turns many callers into few calls: what is waiting when a call ends becomes the next call.

No timer: a lone command goes at once, and batches grow by themselves under load. Commands keep their
order. A caller that gave up is tolerated; its command still runs. A call that raises is repeated in halves,
down to single commands, so that one bad command fails alone: every command must therefore be repeatable. A
TransientError is no command's fault, so all callers get it at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from pipelines.errors import TransientError
from pipelines.ports import Ports, Task

C = TypeVar("C")
A = TypeVar("A")


class Coalescer(Generic[C, A]):
    """Calls `apply` with all commands that wait, one call at a time; it answers one for one."""

    def __init__(
        self, apply: Callable[[list[C]], Awaitable[list[A]]], *, name: str, ports: Ports, limit: int = 1000
    ) -> None:
        self._apply = apply
        self._name = name
        self._ports = ports
        self._limit = limit  # commands per call
        self._waiting: list[tuple[C, asyncio.Future[A]]] = []
        self._task: Task | None = None

    async def do(self, commands: Sequence[C]) -> list[A]:
        """The answers to these commands, in their order. Raises what `apply` raised for the first that failed."""
        loop = asyncio.get_running_loop()
        entries = [(command, loop.create_future()) for command in commands]
        self._waiting.extend(entries)
        if self._task is None:
            self._task = self._ports.spawn(self._run(), self._name)
        if len(entries) == 1:
            return [await entries[0][1]]
        results = await asyncio.gather(*(future for _, future in entries), return_exceptions=True)
        failed = next((result for result in results if isinstance(result, BaseException)), None)
        if failed is not None:
            raise failed
        return results  # type: ignore[return-value]  # no exception is among them

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                self._ports.metrics.observe("batch_size", len(batch), batch=self._name)
                await self._call(batch)
        finally:
            self._task = None

    async def _call(self, batch: list[tuple[C, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._apply([command for command, _ in batch])
        except TransientError as error:
            for _, future in batch:
                _settle(future, error)
        except Exception as error:  # noqa: BLE001 - handed to the callers
            if len(batch) == 1:
                _settle(batch[0][1], error)
                return
            middle = len(batch) // 2
            await self._call(batch[:middle])
            await self._call(batch[middle:])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                _settle(future, answer)


def _settle(future: asyncio.Future[A], result: A | Exception) -> None:
    if future.done():  # its caller has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
