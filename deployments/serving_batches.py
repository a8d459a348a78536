"""The Serve application of batches: see `serving.py`."""

from ray import serve
from ray.serve import Application

from actors.objects import Objects
from configs.settings import BatchingSettings
from deployments.app import make_renderer
from deployments.autoscaling import scaling_options
from deployments.batch_workers import BATCHING_SLOTS, batching_seat, make_batch_worker
from deployments.batching.embedding import SLOTS
from deployments.departure import small_service
from deployments.remote_encoders import RemoteEncoder
from deployments.remote_history import remote_history
from deployments.replicas import WorkerReplica, replica_identity
from pipelines.steps import BATCHING_TOPIC, EMBEDDING_TOPIC


class Batching(WorkerReplica):
    """Reads the files of batches, and writes their results."""

    async def __init__(self, settings: BatchingSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        super().__init__("batching", settings)
        await self._connect()
        worker = make_batch_worker(
            settings.models,
            {name: RemoteEncoder.find(name) for name in settings.encoders},
            journal=self._journal,
            objects=Objects(self._places.objects),
            blobs=self._blobs,
            history=remote_history(self._ports),
            renderer=make_renderer(settings.models),
            ports=self._ports,
        )
        await self._pull(batching_seat(*replica_identity()), worker, worker.lines)


def batching(settings: BatchingSettings) -> Application:
    """The batch workers."""
    slots = {BATCHING_TOPIC: BATCHING_SLOTS, EMBEDDING_TOPIC: SLOTS}
    options = {**small_service(settings), **scaling_options(slots, settings.replicas)}
    return serve.deployment(Batching, name="batching", **options).bind(settings)
