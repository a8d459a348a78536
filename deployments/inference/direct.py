"""Generations for a caller who waits: straight to the engine, without journal, token log or retries.

Invariants:
- A generation holds a slot from before the engine hears of it until the engine has let go of it.
- It ends with its reader: closing the iterator aborts it on the engine and frees the slot.
- What the model says between two reads comes as one batch, and the first of it at once.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from deployments.engines.protocol import Engine, EngineDeadError, Generation
from deployments.inference.language import Interpreters
from deployments.inference.pace import Pace
from deployments.inference.slots import Slots
from deployments.inference.speech import Batch, Speech
from pipelines.errors import TransientError
from pipelines.payloads import Prompt
from pipelines.ports import Ports

_PACE_S = 0.01  # between two batches, at the least: what each costs on its way is paid less often


class DirectApi(Protocol):
    """One model, for callers who wait."""

    def generate(self, prompt: Prompt, traceparent: str = "") -> AsyncGenerator[Batch, None]:
        """What the model makes of a prompt.

        Raises QueueFullError, TransientError, and RejectError.
        """
        ...


class DirectLane:
    """Runs generations for callers who wait, on the engine of one replica. `slots` are those of its jobs too."""

    def __init__(
        self,
        *,
        model: str,
        engine: Engine,
        interpreters: Interpreters,
        slots: Slots,
        ports: Ports,
        on_engine_death: Callable[[], None],
    ) -> None:
        self._model = model
        self._engine = engine
        self._interpreters = interpreters
        self._slots = slots
        self._ports = ports
        self._on_engine_death = on_engine_death

    async def generate(self, prompt: Prompt, traceparent: str = "") -> AsyncGenerator[Batch, None]:
        """See `DirectApi`."""
        yield Batch(fingerprint=self._engine.fingerprint)
        pace = self._pace(traceparent)
        await self._slots.enter(prompt.priority)
        try:
            speech = Speech(self._interpreters.make(prompt), prompt, pace)
            async with aclosing(self._batches(speech, prompt, traceparent)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self._slots.release()

    async def _batches(self, speech: Speech, prompt: Prompt, traceparent: str) -> AsyncGenerator[Batch, None]:
        generation = Generation(request_id=self._ports.ids.new("direct"), prompt=prompt, traceparent=traceparent)
        listening = asyncio.create_task(self._listen(speech, generation), name="direct generation")
        try:
            while True:
                batch = await speech.next()
                yield batch
                if batch.finish_reason:
                    return
                await speech.pause(_PACE_S)
        finally:
            listening.cancel()
            await asyncio.wait([listening])  # the engine has let go of it then

    async def _listen(self, speech: Speech, generation: Generation) -> None:
        """The one reader of the engine: however slow the caller is, the engine never waits for it."""
        try:
            async with aclosing(self._engine.generate(generation)) as stream:
                async for tokens in stream:
                    speech.hear(tokens)
                    if speech.finished:
                        break  # at a stop string the engine would go on
            speech.end()
        except EngineDeadError as error:
            self._on_engine_death()
            speech.end(TransientError(f"the engine is gone: {error}"))
        except Exception as error:  # noqa: BLE001 - the caller raises it
            speech.end(error)

    def _pace(self, traceparent: str) -> Pace:
        now = self._ports.clock.now()
        return Pace(model=self._model, since=now, traceparent=traceparent, about={}, ports=self._ports)
