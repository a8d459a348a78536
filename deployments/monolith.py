"""The whole system in one process: the plain classes that `app.py` makes, on one event loop, without Ray."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from starlette.types import ASGIApp

from actors.blobs import Blobs
from actors.dispatcher import Dispatcher
from actors.heart import ThreadHeart, heartbeat_s
from actors.journal.journal import Journal
from actors.journal.protocol import Heartbeat, Places, Worker
from actors.naming import TOPIC_SIZE
from actors.objects import Objects
from actors.puller import Handler, Puller, Room
from actors.sharded import journal_of, token_log_of
from actors.sharded_puller import ShardedPuller, open_puller
from actors.shards import Where, open_journal, open_token_log, places_in
from actors.system import real_ports
from actors.telemetry.metrics import PrometheusMetrics
from actors.telemetry.setup import process_telemetry
from actors.token_log.token_log import TokenLog
from actors.topics.in_process import InProcessTopics
from configs.profiles import ModelProfile, load_profile
from configs.settings import MonolithSettings
from deployments.app import (
    inference_seat,
    limits_of,
    make_engine,
    make_history,
    make_inference_worker,
    make_ingestion,
    make_lane,
    make_prompt_worker,
    make_renderer,
    prompting_seat,
)
from deployments.batch_workers import batching_seat, make_batch_worker
from deployments.encoders import LocalEncoders, make_embeddings
from deployments.engines.protocol import Engine
from deployments.inference.direct import DirectLane
from deployments.ingestion.app import create_app
from deployments.ingestion.direct import DirectService
from deployments.knowledge.knowledge import Knowledge, OpenKnowledge
from deployments.knowledge.library import Library, open_library
from deployments.knowledge.removals import Removals
from deployments.knowledge.vector_stores import NoKnowledge
from deployments.knowledge_wiring import local_knowledge, posts
from pipelines.ports import Ports


class Shard(NamedTuple):
    """A journal with its dispatcher, a token log, and the threads that they write on."""

    journal: Journal
    token_log: TokenLog
    dispatcher: Dispatcher
    ports: Ports
    log_ports: Ports

    async def close(self) -> None:
        """Let go of the stores, on their own threads, behind what these still write."""
        self.dispatcher.stop()
        await self.ports.run_blocking(self.journal.close)
        await self.log_ports.run_blocking(self.token_log.close)


class Monolith:
    """The whole system in one process, on the event loop that starts it.

    `open_knowledge` opens another index than that of the settings.
    """

    def __init__(self, settings: MonolithSettings, open_knowledge: OpenKnowledge | None = None) -> None:
        self._settings = settings
        self._telemetry = process_telemetry("heliograph", **settings.telemetry.model_dump())
        folder = Path(settings.data)
        folder.mkdir(parents=True, exist_ok=True)
        self._ports = self._new_ports()
        places = places_in(folder, Places(objects=settings.objects, indexes=settings.index))
        self._topics = InProcessTopics(size=TOPIC_SIZE)
        self._shards = [self._open_shard(shard, folder, places) for shard in range(settings.shards)]
        self._journal = journal_of([shard.journal for shard in self._shards])
        self._token_log = token_log_of([shard.token_log for shard in self._shards])
        self._blobs = Blobs(self._journal, Path(places.blobs), self._ports.clock)
        self._pullers: list[Puller | ShardedPuller] = []
        self._engines: list[Engine] = []
        self._renderer = make_renderer(settings.models)
        self._history = make_history(
            journal=self._journal, token_log=self._token_log, blobs=self._blobs, ports=self._ports
        )
        self._lanes: dict[str, DirectLane] = {}  # by model
        self._service = make_ingestion(
            settings.models,
            journal=self._journal,
            token_log=self._token_log,
            blobs=self._blobs,
            history=self._history,
            renderer=self._renderer,
            searches=bool(settings.encoder),
            ports=self._new_ports(),
        )
        self._encoders = LocalEncoders(settings.encoders, ports=self._ports)
        self._objects = Objects(places.objects)
        self._removals: list[Removals] = []
        self._knowledge = self._open_knowledge(open_knowledge, places)
        self.app = self._make_app()

    async def start(self) -> None:
        """Begin to work."""
        for shard in self._shards:
            shard.dispatcher.start()
        await self._encoders.start()
        worker = make_prompt_worker(
            self._settings.models, journal=self._journal, blobs=self._blobs, ports=self._new_ports()
        )
        await self._pull(prompting_seat("prompting"), worker)
        if self._knowledge is not None:
            await self._start_knowledge(self._knowledge)
        await self._start_batching()
        for name in self._settings.models:
            await self._start_model(load_profile(name))

    def drain(self) -> None:
        """Cut the streams: their readers resume when there is a server again."""
        self._service.drain()

    async def stop(self) -> None:
        """Hand back what runs, then let go of everything."""
        for removals in self._removals:
            removals.stop()
        await asyncio.gather(*(puller.stop() for puller in self._pullers))
        for engine in self._engines:
            await engine.close()
        self._encoders.close()
        await self._service.close()
        for shard in self._shards:
            await shard.close()
        self._telemetry["tracer"].close()

    def _open_knowledge(self, opened: OpenKnowledge | None, places: Places) -> Knowledge | None:
        settings = self._settings
        if opened is None and settings.encoder:
            opened = local_knowledge(self._encoders, settings.encoder, settings.reranker)
        return opened(self._journal, places, self._new_ports()) if opened else None

    def _make_app(self) -> ASGIApp:
        settings, metrics = self._settings, self._telemetry["metrics"]
        return create_app(
            self._service,
            DirectService(lanes=self._lanes, models=settings.models, renderer=self._renderer, ports=self._new_ports()),
            self._open_library(),
            make_embeddings(self._encoders.embedding, models=settings.models, ports=self._new_ports()),
            ports=self._ports,
            tenants=settings.tenants,
            body_limit=settings.body_limit_bytes,
            file_limit=settings.file_limit_bytes,
            exposition=metrics.exposition if isinstance(metrics, PrometheusMetrics) else None,
        )

    def _open_library(self) -> Library:
        return open_library(
            journal=self._journal,
            objects=self._objects,
            blobs=self._blobs,
            knowledge=self._knowledge.api if self._knowledge else NoKnowledge(),
            encoder=self._settings.encoder,
            ports=self._ports,
        )

    async def _start_knowledge(self, knowledge: Knowledge) -> None:
        found = posts(
            knowledge, worker_id="knowledge", journal=self._journal, blobs=self._blobs, ports=self._new_ports()
        )
        for post in found:
            await self._pull(*post)
        for shard in self._shards:
            removals = Removals(knowledge.remover, journal=shard.journal, ports=self._ports)
            removals.start()
            self._removals.append(removals)

    async def _start_batching(self) -> None:
        worker = make_batch_worker(
            self._settings.models,
            self._encoders.embedding,
            journal=self._journal,
            objects=self._objects,
            blobs=self._blobs,
            history=self._history,
            renderer=self._renderer,
            ports=self._new_ports(),
        )
        await self._pull(batching_seat("batching"), worker, worker.lines)

    async def _start_model(self, profile: ModelProfile) -> None:
        engine = make_engine(profile)
        await engine.start()
        self._engines.append(engine)
        await self._employ(profile, engine)

    async def _employ(self, profile: ModelProfile, engine: Engine) -> None:
        """Have a started engine work on jobs and direct requests."""
        worker = make_inference_worker(
            profile, engine, journal=self._journal, token_log=self._token_log, blobs=self._blobs, ports=self._ports
        )
        self._lanes[profile.name] = make_lane(profile, engine, worker, ports=self._ports)
        await self._pull(inference_seat(f"inference.{profile.name}", profile, engine), worker, worker.line_room)

    async def _pull(self, worker: Worker, handler: Handler, line_room: Room | None = None) -> None:
        puller = open_puller(
            worker,
            handler,
            shards=self._journal.parts,
            open_topic=self._topics.topic,
            open_heart=self._heart,
            ports=self._ports,
            line_room=line_room,
        )
        # A process that was killed had a worker of this name, whose claims this one would keep alive.
        for shard in self._shards:
            await shard.journal.orphan(worker.id, crashed=True)
        await puller.start()
        self._pullers.append(puller)

    def _heart(self, shard: int) -> ThreadHeart:
        loop, journal = asyncio.get_running_loop(), self._shards[shard].journal

        def beat(worker_id: str, wait_s: float) -> Heartbeat:
            return asyncio.run_coroutine_threadsafe(journal.heartbeat(worker_id, wait_s), loop).result()

        return ThreadHeart(beat, ports=self._ports, wait_s=heartbeat_s(len(self._shards)))

    def _open_shard(self, shard: int, folder: Path, places: Places) -> Shard:
        settings, ports, log_ports = self._settings, self._new_ports(), self._new_ports()
        where = Where(settings.database, shard, settings.shards)._asdict()
        token_log = open_token_log(folder, ports=log_ports, **where)
        journal = open_journal(folder, ports=ports, places=places, limits=limits_of(settings), **where)
        dispatcher = Dispatcher(journal, token_log, open_topic=self._topics.topic, death_of=_lives, ports=ports)
        return Shard(journal, token_log, dispatcher, ports, log_ports)

    def _new_ports(self) -> Ports:
        return real_ports(**self._telemetry)  # with a thread of its own for blocking work


async def _lives(_: object) -> None:
    """No worker of the monolith dies before its journal."""
