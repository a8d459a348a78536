"""The Serve application of knowledge: it pulls files to index and jobs that search, and is searched by handle."""

from typing import Any

from ray import serve
from ray.serve import Application

from configs.settings import KnowledgeSettings
from deployments.departure import small_service
from deployments.knowledge.knowledge import OpenKnowledge
from deployments.knowledge.removals import Removals
from deployments.knowledge_wiring import posts, remote_knowledge
from deployments.replicas import HEALTH_S, WorkerReplica, replica_identity

MOST_SEARCHES = 1000  # at once


class KnowledgeService(WorkerReplica):
    """Has the index."""

    async def __init__(self, settings: KnowledgeSettings, open_knowledge: OpenKnowledge) -> None:  # type: ignore[misc]  # Serve awaits it
        super().__init__("knowledge", settings)
        await self._connect()
        self._knowledge = open_knowledge(self._journal, self._places, self._ports)
        self._removals = [
            Removals(self._knowledge.remover, journal=shard, ports=self._ports) for shard in self._journal.parts
        ]
        for removals in self._removals:
            removals.start()
        worker_id, handle = replica_identity()
        found = posts(
            self._knowledge,
            worker_id=worker_id,
            handle=handle,
            journal=self._journal,
            blobs=self._blobs,
            ports=self._ports,
        )
        for post in found:
            await self._pull(*post)

    async def ask(self, question: str, *arguments: Any) -> Any:
        """What the method `question` of `KnowledgeApi` answers."""
        return await getattr(self._knowledge.api, question)(*arguments)

    async def __del__(self) -> None:
        for removals in self._removals:
            removals.stop()
        await super().__del__()


def knowledge(settings: KnowledgeSettings) -> Application:
    """Knowledge on the encoders' services."""
    return knowledge_application(settings, remote_knowledge(settings.encoder, settings.reranker))


def knowledge_application(settings: KnowledgeSettings, open_knowledge: OpenKnowledge) -> Application:
    """Knowledge on the index that `open_knowledge` opens in the replica."""
    options = {"max_ongoing_requests": MOST_SEARCHES, "health_check_period_s": HEALTH_S, **small_service(settings)}
    return serve.deployment(KnowledgeService, name="knowledge", **options).bind(settings, open_knowledge)
