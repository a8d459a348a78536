"""What one direct generation says, between the engine, which speaks, and the caller, who reads when it can.

Invariant: nothing is lost or said twice: what was said before an end or a fault is read before it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from deployments.engines.protocol import Tokens
from deployments.inference.interpreter import Interpreter, merged
from deployments.inference.pace import Pace
from pipelines.jobs import Usage
from pipelines.operations import Piece
from pipelines.payloads import Prompt


class Batch(NamedTuple):
    """What a model has said since the batch before. The first one is empty and says that the request is there.

    The last one has `finish_reason` and `usage`.
    """

    pieces: tuple[Piece, ...] = ()
    finish_reason: str = ""
    usage: Usage = Usage()
    reasoning_tokens: int = 0
    fingerprint: str = ""  # of the engine


class Speech:
    """One output. What waits to be read is at most as long as that may be."""

    def __init__(self, interpreter: Interpreter, prompt: Prompt, pace: Pace) -> None:
        self._interpreter = interpreter
        self._input_tokens = prompt.input_tokens
        self._cached_tokens = 0
        self._usage: Usage | None = None  # where the engine counts for itself
        self._pace = pace
        self._pieces: list[Piece] = []  # not read yet
        self._reason = ""
        self._end: Batch | Exception | None = None
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def finished(self) -> bool:
        """Whether nothing more is wanted of the engine."""
        return bool(self._reason)

    def hear(self, tokens: Tokens) -> None:
        """What the engine has just made."""
        self._pace.count(len(tokens.ids) + len(tokens.pieces))  # a piece is mostly one token
        self._cached_tokens = max(self._cached_tokens, tokens.cached_tokens)
        self._usage = tokens.usage or self._usage
        self._say(tokens.pieces)
        if tokens.ids:
            self._say(self._interpreter.push(tokens.ids, tokens.logprobs))
        self._reason = "stop" if self._interpreter.stopped else tokens.finish_reason or ""
        if self._reason:
            self._say(self._interpreter.flush())

    def end(self, fault: Exception | None = None) -> None:
        """The engine has ended, and why where that is no ordinary end."""
        if fault is None and not self._reason:
            fault = RuntimeError("the engine ended without a finish reason")
        self._end = fault or self._summary()
        if fault is None:
            self._pace.end()
        self._news.set()
        self._ended.set()

    async def next(self) -> Batch:
        """All that was said since the last call, as soon as there is anything. Raises the fault after all was read."""
        await self._news.wait()
        pieces, self._pieces = tuple(merged(self._pieces)), []
        if isinstance(self._end, Batch):
            return self._end._replace(pieces=pieces)
        if isinstance(self._end, Exception) and not pieces:
            raise self._end
        if self._end is None:
            self._news.clear()
        return Batch(pieces)

    async def pause(self, seconds: float) -> None:
        """A moment in which more can be said; the end cuts it short."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _say(self, pieces: Sequence[Piece]) -> None:
        said = [piece for piece in pieces if piece.text or piece.opens]
        if said:
            self._pieces += said
            self._news.set()

    def _summary(self) -> Batch:
        usage = self._usage or Usage(self._input_tokens, self._interpreter.read, self._cached_tokens)
        return Batch(finish_reason=self._reason, usage=usage, reasoning_tokens=self._interpreter.reasoning_tokens)
