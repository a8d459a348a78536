"""The Serve applications of the wiring without topics: the same services, which are called, and ingestion, which calls.

`plane`, `history` and the encoders are those of the event-driven wiring.
"""

from dataclasses import replace
from typing import Any, cast

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from actors.journal.protocol import Worker
from actors.puller import Handler, Room
from actors.remote_shards import Cluster
from actors.remotes import RemoteJournal
from actors.topics.protocol import Topic
from configs.profiles import load_profile
from configs.settings import (
    BatchingSettings,
    DrivingSettings,
    InferenceSettings,
    KnowledgeSettings,
    PromptingSettings,
    ServiceSettings,
)
from deployments.departure import small_service
from deployments.knowledge_serving import KnowledgeService
from deployments.knowledge_wiring import remote_knowledge
from deployments.remote_services import RemoteService
from deployments.replicas import HEALTH_S, Seen, WorkerReplica
from deployments.serving import Inference, Ingestion, Prompting, inference_options
from deployments.serving_batches import Batching
from deployments.synchronous.desk import Desk, DeskHandler, DeskJournal
from deployments.synchronous.driver import Driver, DriverJournal, ServiceApi
from deployments.synchronous.http import HttpService, create_work_app
from pipelines.steps import (
    BATCHING_TOPIC,
    EMBEDDING_TOPIC,
    INDEXING_TOPIC,
    PROMPTING_TOPIC,
    RERANKING_TOPIC,
    RETRIEVAL_TOPIC,
    inference_topic,
    line_topic,
)

CALLS = 10_000  # at once; a replica works on those that it has room for, and the others wait in it
CALLED = {"max_ongoing_requests": CALLS, "health_check_period_s": HEALTH_S}


class Called(WorkerReplica):
    """A replica whose pullers claim a step for each call that waits."""

    def _see(self, cluster: Cluster) -> Seen:
        self._desk = Desk()
        return _alone(DeskJournal(only_shard(cluster), self._desk))

    def _find_topic(self, name: str) -> Topic:
        return self._desk.topic(name)

    async def _pull(self, worker: Worker, handler: Handler, line_room: Room | None = None) -> None:
        at_desk = DeskHandler(handler, self._desk, worker.topics)
        await super()._pull(replace(worker, called=True), at_desk, line_room)

    async def work(self, topic: str) -> str:
        """See `ServiceApi`."""
        return await self._desk.work(topic)


@serve.ingress()
class CalledPrompting(Called, Prompting):
    """Renders prompts; over HTTP too, where the application has a route prefix."""

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """The route."""
        return create_work_app(self.work)


class CalledInference(Called, Inference):
    """Generates with one model."""


class CalledBatching(Called, Batching):
    """Reads the files of batches, and writes their results."""


class CalledKnowledge(Called, KnowledgeService):
    """Has the index."""


class Driving(Ingestion):
    """The HTTP surface, which drives the jobs."""

    async def __init__(self, settings: DrivingSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        self._services = services_of(settings)
        await super().__init__(settings)
        self._driver.start()

    def _see(self, cluster: Cluster) -> Seen:
        journal = only_shard(cluster)
        self._driver = Driver(self._services, journal=journal, ports=self._ports)
        return _alone(DriverJournal(journal, self._driver))

    async def __del__(self) -> None:
        self._driver.stop()
        await super().__del__()


def only_shard(cluster: Cluster) -> RemoteJournal:
    """The journal of a cluster that has one. Raises ValueError for several: only topics divide their work."""
    if len(cluster.shards) > 1:
        raise ValueError(f"the wiring without topics needs `shards: 1`; the stores are of {len(cluster.shards)}")
    return cluster.shards[0]


def _alone(journal: DeskJournal | DriverJournal) -> Seen:
    wrapped = cast("RemoteJournal", journal)
    return Seen(wrapped, (wrapped,))


def services_of(settings: DrivingSettings) -> dict[str, ServiceApi]:
    """The services by the topics of their steps."""
    prompting = HttpService(settings.prompting) if settings.prompting else RemoteService.find("prompting")
    services: dict[str, ServiceApi] = {PROMPTING_TOPIC: prompting}
    services |= dict.fromkeys((BATCHING_TOPIC, EMBEDDING_TOPIC), RemoteService.find("batching"))
    if settings.encoder:
        topics = (INDEXING_TOPIC, RETRIEVAL_TOPIC, RERANKING_TOPIC)
        services |= dict.fromkeys(topics, RemoteService.find("knowledge"))
    for model in settings.models:
        inference_service = RemoteService.find(f"inference.{model}")
        services |= dict.fromkeys((inference_topic(model), line_topic(model)), inference_service)
    return services


def prompting(settings: PromptingSettings) -> Application:
    """The prompt workers."""
    return _deployment(CalledPrompting, "prompting", settings).bind(settings)


def inference(settings: InferenceSettings) -> Application:
    """The inference workers of one model."""
    return serve.deployment(CalledInference, name="inference", **called_options(settings)).bind(settings)


def called_options(settings: InferenceSettings) -> dict[str, Any]:
    """As with topics, but Serve sees all work as requests, so that its own policy scales by them."""
    options = {**inference_options(settings), **CALLED}
    if scaling := options.get("autoscaling_config"):
        by_requests = {**scaling, "target_ongoing_requests": load_profile(settings.model).slots}
        del by_requests["policy"]
        options["autoscaling_config"] = by_requests
    return options


def batching(settings: BatchingSettings) -> Application:
    """The batch workers."""
    return _deployment(CalledBatching, "batching", settings).bind(settings)


def knowledge(settings: KnowledgeSettings) -> Application:
    """Knowledge on the encoders' services."""
    opened = remote_knowledge(settings.encoder, settings.reranker)
    return _deployment(CalledKnowledge, "knowledge", settings).bind(settings, opened)


def ingestion(settings: DrivingSettings) -> Application:
    """The HTTP surface."""
    return _deployment(Driving, "ingestion", settings).bind(settings)


def _deployment(replica: type, name: str, settings: ServiceSettings) -> Any:
    return serve.deployment(replica, name=name, **small_service(settings), **CALLED)
