"""How each service of a simulated world is made of the real classes. A planted bug replaces one of them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from actors.dispatcher import Dispatcher
from actors.heart import FAILED_PAUSE_S, UNKNOWN_PAUSE_S
from actors.journal.effects import Effects
from actors.journal.journal import Journal
from actors.journal.ledger import Reply
from actors.journal.protocol import Heartbeat, JournalApi
from actors.naming import journal_name
from actors.sharded import ShardedJournal
from actors.token_log.token_log import TokenLog
from deployments.batching.finalization import Finalizer
from deployments.batching.validation import Validator
from deployments.engines.protocol import Generation, Tokens
from deployments.engines.scripted import ScriptedEngine
from deployments.inference.worker import InferenceWorker
from deployments.prompting.worker import PromptWorker
from pipelines.commands import Claim, Command
from pipelines.edits import Edit
from pipelines.payloads import Message
from tests.ingestion_house import renderer
from tests.simulation.batching import FEW
from tests.simulation.disks import Files, JournalStore, TokenStore
from tests.simulation.loop import ProcessDiedError
from tests.simulation.network import Handle, Network
from tests.simulation.process import Process
from tests.simulation.watcher import JournalWatcher

MODEL = "scripted"
INGESTION = "ingestion"
RENDERER = renderer()
Begun = defaultdict[str, list[tuple[str, int]]]  # by what was asked: the jobs, with their fences


class WatchedJournal(Journal):
    """The journal, with a watcher that hears of each batch in the moment of its sync."""

    watcher: JournalWatcher
    process: Process

    async def wind_down(self, limit: int) -> int:
        return await super().wind_down(min(limit, FEW))

    def _write(
        self, commands: list[Command | Edit], parked: list[Claim], testers: dict[str, str], room: int
    ) -> tuple[list[Reply], Effects]:
        replies, effects = super()._write(commands, parked, testers, room)
        written = self.process.thread.written
        sync = written.pop()

        def sync_and_tell() -> None:
            sync()
            self.watcher.commit([*commands, *parked], replies, self.process.loop.time())

        written.append(sync_and_tell)
        return replies, effects


@dataclass(frozen=True, kw_only=True)
class Kit:
    """The classes that a world is made of."""

    journal: type[WatchedJournal] = WatchedJournal
    journal_store: type[JournalStore] = JournalStore
    dispatcher: type[Dispatcher] = Dispatcher
    token_log: type[TokenLog] = TokenLog
    token_store: type[TokenStore] = TokenStore
    validator: type[Validator] = Validator
    finalizer: type[Finalizer] = Finalizer
    sharded: type[ShardedJournal] = ShardedJournal  # ingestion's


class Engine(ScriptedEngine):
    """The scripted engine, but no two generations of a job say the same: what is logged must be gone on from.

    `begun` takes down what is asked of the engines of all processes.
    """

    def __init__(self, begun: Begun, **parts: Any) -> None:
        super().__init__(**parts)
        self._begun = begun

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        prompt = generation.prompt
        job_id, _, fence = generation.request_id.rpartition("-")
        self._begun[prompt.messages[-1].content].append((job_id, int(fence)))
        mark = Message(role="user", content=generation.request_id)
        own = replace(generation, prompt=prompt.model_copy(update={"messages": [*prompt.messages, mark]}))
        async with aclosing(super().generate(own)) as batches:
            async for tokens in batches:
                yield tokens


class TaskHeart:
    """Beats on the process's own loop: one try a beat, as the thread of production does."""

    def __init__(self, network: Network, process: Process, shard: int, wait_s: float) -> None:
        self._network = network
        self._process = process
        self._wait_s = wait_s
        self._name = journal_name(shard)
        self._stopped = False
        self._actor: Any = None

    def start(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        self._process.spawn(self._run(worker_id, take_in), "heart")

    def stop(self) -> None:
        self._stopped = True

    async def _run(self, worker_id: str, take_in: Callable[[Heartbeat], None]) -> None:
        while not self._stopped:
            try:
                heartbeat = await self._beat(worker_id)
            except Exception:  # noqa: BLE001 - as in production
                await asyncio.sleep(FAILED_PAUSE_S)
                continue
            take_in(heartbeat)
            if not heartbeat.known:
                await asyncio.sleep(UNKNOWN_PAUSE_S)

    async def _beat(self, worker_id: str) -> Heartbeat:
        if self._actor is None:
            self._actor = Handle(self._network, self._process, self._network.directory.find(self._name))
        try:
            answer: Heartbeat = await self._actor.heartbeat.remote(worker_id, self._wait_s)
        except Exception:
            self._actor = None
            raise
        return answer


def prompt_worker(process: Process, journal: JournalApi, files: Files) -> PromptWorker:
    return PromptWorker(renderer=RENDERER, slots=8, journal=journal, blobs=files, ports=process.ports)


def inference_worker(
    process: Process, journal: JournalApi, token_log: Any, files: Files, *, slots: int, begun: Begun
) -> InferenceWorker:
    def end(code: int = 1) -> None:
        del code
        process.die()
        raise ProcessDiedError

    return InferenceWorker(
        model=MODEL,
        engine=Engine(begun, sleep=process.ports.sleep, exit_process=end),
        slots=slots,
        journal=journal,
        token_log=token_log,
        blobs=files,
        ports=process.ports,
        on_engine_death=end,
    )
