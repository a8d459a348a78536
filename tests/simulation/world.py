"""A simulated world: all services of the event-driven wiring, with a disk, a network and clients, for one seed."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from actors.heart import heartbeat_s
from actors.journal.limits import Limits
from actors.journal.protocol import Death, Worker
from actors.naming import TOPIC_SIZE, TOPICS
from actors.puller import Handler, Puller, Room
from actors.sharded_puller import ShardedPuller, open_puller
from actors.shells import TopicsActor
from deployments.history.history import History
from deployments.knowledge.removals import Removals
from pipelines.steps import (
    BATCHING_TOPIC,
    EMBEDDING_TOPIC,
    PROMPTING_TOPIC,
    RERANKING_TOPIC,
    RETRIEVAL_TOPIC,
    inference_topic,
    line_topic,
)
from tests.simulation.batch_clients import BatchClient
from tests.simulation.batch_wishes import make_batch_wishes
from tests.simulation.batching import SLOTS, batch_worker
from tests.simulation.caretaker import Caretaker
from tests.simulation.clients import MODELS, Client, Reception, make_reception
from tests.simulation.disks import Contents, Files
from tests.simulation.index_clients import StoreClient
from tests.simulation.index_wishes import make_store_wishes
from tests.simulation.indexing import MemoryIndex, Shelf, indexing_seat, indexing_worker
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network, SimulatedTopic, remote_journal, remote_token_log, remote_token_logs
from tests.simulation.parts import (
    INGESTION,
    MODEL,
    RENDERER,
    Begun,
    Kit,
    TaskHeart,
    WatchedJournal,
    inference_worker,
    prompt_worker,
)
from tests.simulation.process import Process
from tests.simulation.record import Record
from tests.simulation.searching import Library, search_worker
from tests.simulation.services import Directory
from tests.simulation.shards import Shards
from tests.simulation.trace import Trace
from tests.simulation.watcher import LogWatcher
from tests.simulation.wishes import make_wishes

SHARDED = 0.2  # worlds with two of them
SEARCHERS = {"retrieval-1": RETRIEVAL_TOPIC, "reranking-1": RERANKING_TOPIC}  # workers, and their topics
POISONOUS = 0.1  # worlds in which jobs kill their workers, and little else dies

Pulls = Puller | ShardedPuller
BUDGET = 1_000_000  # output tokens; more than all clients ask for, so that none is refused
ATTEMPT_S = 30.0  # longer than a lease, and than any generation that goes on


class World(Shards):
    """The parts. `away` says how long a service that ends next stays away."""

    def __init__(self, seed: int, kit: Kit) -> None:
        self.seed = seed
        self.kit = kit
        self.random = Random(f"world {seed}")
        self.loop = VirtualLoop(Random(f"loop {seed}"))
        self.trace = Trace()
        super().__init__(2 if Random(f"shards {seed}").random() < SHARDED else 1, self.trace)
        self.directory = Directory(self.loop, str(seed), self.trace)
        self.directory.on_end = self._ended
        self.network = Network(Random(f"network {seed}"), self.trace, self.directory)
        self.files: dict[Path, bytes] = {}
        self.contents: dict[str, bytes] = {}  # of clients' files
        self.shelf: Shelf = {}  # what the index has
        self._dropped: set[str] = set()  # stores
        self.begun: Begun = defaultdict(list)
        self.log_watcher = LogWatcher(self.trace)
        self.record = Record()
        self.away: dict[str, float] = {}
        self.poisonous = self.random.random() < POISONOUS
        self.deaths_known = 1.0 if self.poisonous else self.random.choice((0.0, 0.8, 1.0))
        inference = self.random.randint(2 if self.poisonous else 1, 3)
        self.workers = ["prompting-1", *SEARCHERS, *(f"inference-{n + 1}" for n in range(inference))]
        self._add_batches(Random(f"batches {seed}"))
        self._add_stores(Random(f"indexing {seed}"))
        self._tries: Counter[str] = Counter()  # of searches, and of files to be indexed
        self._slots = self.random.randint(1, 4)
        self._context = Context()
        self._add_services()
        self.outside = Process("clients", self.loop, Random(f"clients {seed}"))

    def start(self) -> None:
        """Everything begins."""
        for name in self.directory.names():
            self.directory.start(name)
        self._send(Client, make_wishes(self.outside.random, poisonous=self.poisonous))
        self._send(BatchClient, self.orders)
        self._send(StoreClient, self.stores)

    def _send(self, client: Callable[..., Any], wishes: Sequence[Any]) -> None:
        """One client for each wish, of the tenants in turn."""
        for number, wish in enumerate(wishes):
            tenant = self.tenants[number % self.shards]
            caller = client(wish, tenant=tenant, network=self.network, process=self.outside, record=self.record)
            self.outside.start(caller.run)

    def later(self, delay: float, call: Any, *arguments: Any) -> None:
        """Fate has something in store."""
        self.loop.at(delay, call, *arguments, owner=self._context)

    def drain(self, process: Process, *, drain_s: float) -> None:
        """A worker is asked to leave, and may first end what it has begun."""

        async def leave() -> None:
            try:
                await process.served.stop(drain_s=drain_s)
            finally:
                self.directory.kill(process, known=True)

        if process.served is not None:
            process.start(leave)

    def quiet(self) -> bool:
        """Whether nothing is left to do."""
        disk = self.journal_disk
        open_jobs = any(not job.status.terminal for job in disk.jobs.values())
        removing = disk.removals or disk.outbox or any(store.deleted for store in disk.vector_stores.values())
        open_batches = any(row.open for row in disk.batches.values())
        return not (self.record.busy or disk.seals or open_jobs or open_batches or removing)

    def _ended(self, name: str, process: Process) -> None:
        if self.directory.find(name) is process:
            delay = self.away.pop(name, 0.2 + 2 * self.random.random() ** 2)
            self.later(delay, self._restart, name, process)

    def _restart(self, name: str, process: Process) -> None:
        if self.directory.find(name) is process:
            self.directory.start(name)

    def _add_services(self) -> None:
        for shard, (journal, token_log) in enumerate(zip(self.journals, self.token_logs, strict=True)):
            self.directory.add(journal, partial(self._make_journal, shard))
            self.directory.add(token_log, partial(self._make_token_log, shard))
        self.directory.add(TOPICS, self._make_topics)
        self.directory.add(INGESTION, self._make_ingestion)
        for name in self.workers:
            self.directory.add(name, self._maker(name))

    def _add_batches(self, random: Random) -> None:
        """In some worlds."""
        self.orders = [] if self.poisonous else make_batch_wishes(random)
        if self.orders:
            self.workers += [f"batching-{n + 1}" for n in range(random.choice((1, 1, 2)))]

    def _add_stores(self, random: Random) -> None:
        """In some worlds."""
        self.stores = [] if self.poisonous else make_store_wishes(random)
        if self.stores:
            self.workers += [f"indexing-{n + 1}" for n in range(random.choice((1, 2)))]

    def _maker(self, worker: str) -> Callable[[Process], Awaitable[Pulls]]:
        if worker in SEARCHERS:
            return partial(self._make_searcher, SEARCHERS[worker])
        if worker.startswith("batching"):
            return self._make_batching
        if worker.startswith("indexing"):
            return self._make_indexing
        return self._make_prompting if worker.startswith("prompting") else self._make_inference

    async def _make_journal(self, shard: int, process: Process) -> WatchedJournal:
        store = self.kit.journal_store(self.journal_disks[shard], process)
        limits = Limits(token_budgets=dict.fromkeys(self.tenants, BUDGET))
        journal = self.kit.journal(store, ports=process.ports, limits=limits, shard=shard, shards=self.shards)
        journal.watcher, journal.process = self.journal_watchers[shard], process
        token_log = remote_token_log(self.token_logs[shard], self.network, process)
        dispatcher = self.kit.dispatcher(
            journal,
            token_log,
            open_topic=lambda name: self._topic(name, process),
            death_of=self._death_of,
            ports=process.ports,
        )
        dispatcher._housekeeping = Caretaker(journal, token_log, process.ports, self.contents)
        dispatcher.start()
        return journal

    async def _make_token_log(self, shard: int, process: Process) -> Any:
        def commit(changed: Any) -> None:
            self.log_watcher.commit(changed, self.loop.time())

        store = self.kit.token_store(self.token_disks[shard], process, on_commit=commit)
        return self.kit.token_log(store, ports=process.ports)

    async def _make_topics(self, process: Process) -> TopicsActor:
        del process
        return TopicsActor(TOPIC_SIZE)

    async def _make_ingestion(self, process: Process) -> Reception:
        journal = remote_journal(self.network, process, self.shards, self.kit.sharded)
        token_log = remote_token_logs(self.network, process, self.shards)
        blobs = Files(journal, self.files, process.ports.clock)
        return make_reception(self.tenants, process, journal, blobs, self._contents(process), token_log, self.record)

    async def _make_prompting(self, process: Process) -> Pulls:
        journal = remote_journal(self.network, process, self.shards)
        worker = Worker(id=process.name, topic=PROMPTING_TOPIC, slots=8, handle=process, attempt_limit_s=ATTEMPT_S)
        return await self._pull(
            worker, prompt_worker(process, journal, Files(journal, self.files, process.ports.clock)), process, journal
        )

    async def _make_searcher(self, topic: str, process: Process) -> Pulls:
        journal = remote_journal(self.network, process, self.shards)
        files = Files(journal, self.files, process.ports.clock)
        worker = Worker(id=process.name, topic=topic, slots=8, handle=process, attempt_limit_s=ATTEMPT_S)
        library = Library(process, self._tries)
        handler = search_worker(topic, library, journal=journal, blobs=files, ports=process.ports)
        process.death_known = self.random.random() < self.deaths_known
        return await self._pull(worker, handler, process, journal)

    async def _make_inference(self, process: Process) -> Pulls:
        journal = remote_journal(self.network, process, self.shards)
        token_log = remote_token_logs(self.network, process, self.shards)
        worker = Worker(
            id=process.name,
            topic=inference_topic(MODEL),
            line_topic=line_topic(MODEL) if self.orders else "",
            slots=self._slots,
            handle=process,
            attempt_limit_s=ATTEMPT_S,
        )
        files = Files(journal, self.files, process.ports.clock)
        handler = inference_worker(process, journal, token_log, files, slots=self._slots, begun=self.begun)
        process.death_known = self.random.random() < self.deaths_known  # where the process ends itself
        return await self._pull(worker, handler, process, journal, handler.line_room)

    async def _make_batching(self, process: Process) -> Pulls:
        journal = remote_journal(self.network, process, self.shards)
        token_log = remote_token_logs(self.network, process, self.shards)
        blobs = Files(journal, self.files, process.ports.clock)
        handler = batch_worker(
            models=MODELS,
            renderer=RENDERER,
            journal=journal,
            blobs=blobs,
            objects=self._contents(process),
            history=History(journal=journal, token_log=token_log, blobs=blobs, ports=process.ports),
            ports=process.ports,
            validator=self.kit.validator,
            finalizer=self.kit.finalizer,
        )
        worker = Worker(id=process.name, topic=BATCHING_TOPIC, line_topic=EMBEDDING_TOPIC, slots=SLOTS, handle=process)
        return await self._pull(worker, handler, process, journal, handler.lines)

    async def _make_indexing(self, process: Process) -> Pulls:
        journal = remote_journal(self.network, process, self.shards)
        blobs, index = Files(journal, self.files, process.ports.clock), self._index(process)
        handler = indexing_worker(process, journal, blobs, self._contents(process), index, self._tries)
        worker = indexing_seat(process)
        for part in journal.parts:
            Removals(index, journal=part, ports=process.ports).start()
        process.death_known = self.random.random() < self.deaths_known
        return await self._pull(worker, handler, process, journal)

    async def _pull(
        self, worker: Worker, handler: Handler, process: Process, journal: Any, line_room: Room | None = None
    ) -> Pulls:
        puller = open_puller(
            worker,
            handler,
            shards=journal.parts,
            open_topic=lambda name: self._topic(name, process),
            open_heart=lambda shard: TaskHeart(self.network, process, shard, heartbeat_s(self.shards)),
            ports=process.ports,
            line_room=line_room,
        )
        await puller.start()
        return puller

    def _contents(self, process: Process) -> Contents:
        return Contents(self.contents, process, self._fails)

    def _index(self, process: Process) -> MemoryIndex:
        return MemoryIndex(self.shelf, self._dropped, process, self._fails)

    def _fails(self) -> bool:
        """Whether a storage does, this time."""
        return self.network.happens(self.network.weather.loss)

    def _topic(self, name: str, process: Process) -> SimulatedTopic:
        return SimulatedTopic(name, self.network, process)

    def _death_of(self, process: Process) -> Awaitable[Death | None]:
        answer: asyncio.Future[Death | None] = self.loop.create_future()
        answer.set_result(Death.CRASH if not process.alive and process.death_known else None)
        return answer
