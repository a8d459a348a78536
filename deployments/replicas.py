"""What replicas of all services have in common: ports, handles to the shared actors, and a pull loop where they work.

Every replica waits for the shared actors that the application `plane` makes.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import serve

from actors.blobs import Blobs
from actors.deaths import Home
from actors.garbage import collect_seldom
from actors.heart import ThreadHeart, heartbeat_s
from actors.journal.protocol import JournalApi, Worker
from actors.naming import TOPICS
from actors.puller import Handler, Puller, Room
from actors.remote_shards import Cluster
from actors.remotes import RemoteActor, RemoteJournal
from actors.sharded_puller import ShardedPuller, open_puller
from actors.system import real_ports
from actors.telemetry.setup import process_telemetry
from actors.topics.protocol import Topic
from actors.topics.remote import RemoteTopic
from configs.settings import ServiceSettings
from deployments.departure import Departure

HEALTH_S = 2  # a replica that died is replaced this soon


class Seen(NamedTuple):
    """A journal and its shards, the same again or wrapped."""

    journal: JournalApi
    shards: Sequence[RemoteJournal]


class Replica:
    """What every replica has: ports and, once it is connected, handles to the shared actors."""

    def __init__(self, service: str, settings: ServiceSettings) -> None:
        collect_seldom()
        self._ports = real_ports(**process_telemetry(service, **settings.telemetry.model_dump()))
        self._drain_s = settings.drain_s

    async def _connect(self) -> None:
        cluster = await Cluster.find(self._ports)
        self._journal, self._shards = self._see(cluster)
        self._token_log, self._places = cluster.token_log, cluster.places
        self._blobs = Blobs(self._journal, Path(self._places.blobs), self._ports.clock)

    def _see(self, cluster: Cluster) -> Seen:
        """The cluster's journal and its shards, as this replica deals with them."""
        return Seen(cluster.journal, cluster.shards)


class WorkerReplica(Replica):
    """A replica that pulls, from one topic or several."""

    _pullers: tuple[Puller | ShardedPuller, ...] = ()
    _departure: Departure | None = None

    async def _pull(self, worker: Worker, handler: Handler, line_room: Room | None = None) -> None:
        wait_s = heartbeat_s(len(self._shards))
        puller = open_puller(
            worker,
            handler,
            shards=self._shards,
            open_topic=self._find_topic,
            open_heart=lambda shard: ThreadHeart(self._shards[shard].beat, ports=self._ports, wait_s=wait_s),
            ports=self._ports,
            line_room=line_room,
        )
        await puller.start()
        self._pullers += (puller,)
        self._departure = self._departure or Departure(self._leave, drain_s=self._drain_s)

    async def _leave(self, within_s: float, _: asyncio.Event) -> None:
        await asyncio.gather(*(puller.stop(drain_s=within_s) for puller in self._pullers))

    def _find_topic(self, name: str) -> Topic:
        return RemoteTopic(name, RemoteActor(TOPICS, self._ports))

    async def __del__(self) -> None:
        if self._departure is not None:
            await self._departure.complete()


def replica_identity() -> tuple[str, Any]:
    """This replica's id, and where it lives, by which the journal notices its death."""
    context = ray.get_runtime_context()
    return serve.get_replica_context().replica_id.to_full_id_str(), Home(context.current_actor, context.get_node_id())
