"""The Serve applications: thin shells around what `app.py` makes. A Serve config file names these builders.

What their replicas have in common is in `replicas.py`: a pull loop starts at the end of a constructor. How a replica
leaves is in `departure.py`.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from actors.objects import Objects
from configs.profiles import load_profile
from configs.settings import HistorySettings, InferenceSettings, IngestionSettings, PromptingSettings
from deployments.app import (
    PROMPTING_SLOTS,
    inference_seat,
    make_engine,
    make_history,
    make_inference_worker,
    make_ingestion,
    make_lane,
    make_prompt_worker,
    make_renderer,
    prompting_seat,
)
from deployments.autoscaling import scaling_options
from deployments.departure import Departure, leaving_options, small_service
from deployments.encoders import make_embeddings
from deployments.inference.placement import replica_options
from deployments.inference.slots import QUEUE
from deployments.inference.speech import Batch
from deployments.ingestion.app import create_app
from deployments.ingestion.direct import DirectService
from deployments.ingestion.errors import ApiError
from deployments.knowledge.library import open_library
from deployments.knowledge.vector_stores import NoKnowledge
from deployments.remote_encoders import RemoteEncoder
from deployments.remote_history import remote_history
from deployments.remote_knowledge import RemoteKnowledge
from deployments.remote_lane import RemoteLane
from deployments.replicas import HEALTH_S, Replica, WorkerReplica, replica_identity
from pipelines.payloads import Prompt
from pipelines.steps import PROMPTING_TOPIC, inference_topic, line_topic


class Prompting(WorkerReplica):
    """Renders prompts."""

    async def __init__(self, settings: PromptingSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        super().__init__("prompting", settings)
        await self._connect()
        worker = make_prompt_worker(settings.models, journal=self._journal, blobs=self._blobs, ports=self._ports)
        await self._pull(prompting_seat(*replica_identity()), worker)


class Inference(WorkerReplica):
    """Generates with one model."""

    async def __init__(self, settings: InferenceSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        super().__init__(f"inference.{settings.model}", settings)
        profile = load_profile(settings.model)
        engine = make_engine(profile)
        await engine.start()
        await self._connect()
        worker = make_inference_worker(
            profile,
            engine,
            journal=self._journal,
            token_log=self._token_log,
            blobs=self._blobs,
            ports=self._ports,
        )
        worker_id, handle = replica_identity()
        self._engine = engine
        self._lane = make_lane(profile, engine, worker, ports=self._ports)
        await self._pull(inference_seat(worker_id, profile, engine, handle), worker, worker.line_room)

    async def generate(self, prompt: Prompt, traceparent: str) -> AsyncGenerator[Batch, None]:
        """A direct request, see `DirectApi`."""
        async with aclosing(self._lane.generate(prompt, traceparent)) as batches:
            async for batch in batches:
                yield batch

    async def __del__(self) -> None:
        await super().__del__()
        await self._engine.close()


class HistoryService(Replica):
    """Tells what has become of jobs."""

    async def __init__(self, settings: HistorySettings) -> None:  # type: ignore[misc]  # Serve awaits it
        super().__init__("history", settings)
        await self._connect()
        self._history = make_history(
            journal=self._journal, token_log=self._token_log, blobs=self._blobs, ports=self._ports
        )

    async def ask(self, question: str, *arguments: Any, **named: Any) -> Any:
        """What the method `question` of `HistoryApi` answers."""
        return await getattr(self._history, question)(*arguments, **named)


@serve.ingress()
class Ingestion(Replica):
    """The HTTP surface; its methods serve the Python client."""

    async def __init__(self, settings: IngestionSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        super().__init__("ingestion", settings)
        self._settings = settings
        renderer = make_renderer(settings.models)
        lanes = {model: RemoteLane.find(model) for model in settings.models}
        self._direct = DirectService(lanes=lanes, models=settings.models, renderer=renderer, ports=self._ports)
        await self._connect()
        self._service = make_ingestion(
            settings.models,
            journal=self._journal,
            token_log=self._token_log,
            blobs=self._blobs,
            history=remote_history(self._ports),
            renderer=renderer,
            on_demand=settings.on_demand,
            searches=bool(settings.encoder),
            ports=self._ports,
            handle=replica_identity()[1],
        )
        encoders = {name: RemoteEncoder.find(name) for name in settings.encoders}
        self._embeddings = make_embeddings(encoders, models=settings.models, ports=self._ports)
        self._library = open_library(
            journal=self._journal,
            objects=Objects(self._places.objects),
            blobs=self._blobs,
            knowledge=RemoteKnowledge.find() if settings.encoder else NoKnowledge(),
            encoder=settings.encoder,
            ports=self._ports,
        )
        self._departure = Departure(self._service.leave, drain_s=self._drain_s)

    async def __del__(self) -> None:
        await self._departure.complete()
        await self._service.close()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """The routes."""
        return create_app(
            self._service,
            self._direct,
            self._library,
            self._embeddings,
            ports=self._ports,
            tenants=self._settings.tenants,
            body_limit=self._settings.body_limit_bytes,
            file_limit=self._settings.file_limit_bytes,
        )

    async def submit(self, body: dict[str, Any], key: str = "", tenant: str = "default") -> str:
        """Accept a job; its id."""
        return await self._service.submit(body, tenant, key)

    async def submit_many(
        self, jobs: list[dict[str, Any]], key: str = "", tenant: str = "default"
    ) -> list[str | ApiError]:
        """Accept many; an id or an error for each."""
        return await self._service.submit_many(jobs, tenant, key)

    async def job(self, job_id: str, tenant: str = "default") -> dict[str, Any]:
        """The view of a job."""
        return await self._service.job(job_id, tenant)

    async def result(self, job_id: str, tenant: str = "default") -> dict[str, Any]:
        """The Response of a job."""
        return await self._service.result(job_id, tenant)

    async def cancel(self, job_id: str, tenant: str = "default") -> dict[str, Any]:
        """End a job."""
        return await self._service.cancel(job_id, tenant)

    async def stream(
        self, job_id: str, starting_after: int = -1, tenant: str = "default"
    ) -> AsyncIterator[dict[str, Any]]:
        """The frames of a job."""
        async for frame in self._service.stream(job_id, starting_after, tenant):
            yield frame


def prompting(settings: PromptingSettings) -> Application:
    """The prompt workers."""
    scaling = scaling_options({PROMPTING_TOPIC: PROMPTING_SLOTS}, settings.replicas)
    return serve.deployment(Prompting, name="prompting", **small_service(settings), **scaling).bind(settings)


def inference(settings: InferenceSettings) -> Application:
    """The inference workers of one model."""
    return serve.deployment(Inference, name="inference", **inference_options(settings)).bind(settings)


def inference_options(settings: InferenceSettings) -> dict[str, Any]:
    """Where its replicas run, how many, and what they take at once."""
    profile = load_profile(settings.model)
    topics = [inference_topic(profile.name), line_topic(profile.name)]
    scaling = scaling_options(dict.fromkeys(topics, profile.slots), settings.replicas)
    options = {**replica_options(profile), **scaling, **leaving_options(settings), "health_check_period_s": HEALTH_S}
    return options | {"max_ongoing_requests": profile.slots + QUEUE, "max_queued_requests": QUEUE}


def history(settings: HistorySettings) -> Application:
    """The history service."""
    options = {"max_ongoing_requests": 10_000, **small_service(settings)}
    return serve.deployment(HistoryService, name="history", **options).bind(settings)


def ingestion(settings: IngestionSettings) -> Application:
    """The HTTP surface."""
    options = {"max_ongoing_requests": 10_000, **small_service(settings)}
    return serve.deployment(Ingestion, name="ingestion", **options).bind(settings)
