"""Ray Serve's own asynchronous inference: an endpoint that enqueues a Celery task, and a `task_consumer`.

Settings are Ray's and Celery's defaults, with the platform's numbers of replicas, slots and open requests. The endpoint
enqueues on its event loop: from a thread pool it was only half as fast.
"""

import time

from pydantic import BaseModel
from ray import serve
from ray.serve import Application, Deployment
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import CeleryAdapterConfig, TaskProcessorConfig
from ray.serve.task_consumer import instantiate_adapter_from_config, task_consumer, task_handler
from starlette.types import ASGIApp

from benchmarks.peers.endpoint import endpoint
from benchmarks.redis_server import BROKER_DATABASE, RESULT_DATABASE
from deployments.engines.scripted import ScriptedEngine, token_ids
from deployments.ingestion.bodies import GenerateBody


class Args(BaseModel):
    """What the config file sets."""

    redis_port: int
    slots: int  # tasks at once
    tokens: int  # of a result
    max_ongoing_requests: int  # of the endpoint
    work_s: float = 0.0  # of a task
    replicas: int = 1  # of the consumer


@serve.ingress()
class Ingress:
    """Enqueues one task per request."""

    def __init__(self, config: TaskProcessorConfig, consumer: DeploymentHandle) -> None:
        del consumer  # bound, so that Serve starts it
        self._tasks = instantiate_adapter_from_config(config)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return endpoint(self._enqueue)

    def _enqueue(self, body: GenerateBody) -> str:
        task_id: str = self._tasks.enqueue_task_sync("generate", args=[body.prompt]).id
        return task_id


def build(args: Args) -> Application:
    """The application."""
    redis = f"redis://127.0.0.1:{args.redis_port}"
    celery = CeleryAdapterConfig(broker_url=f"{redis}/{BROKER_DATABASE}", backend_url=f"{redis}/{RESULT_DATABASE}")
    config = TaskProcessorConfig(queue_name="generate", adapter_config=celery)
    tokens, decode = args.tokens, ScriptedEngine().decode

    @task_consumer(task_processor_config=config)  # wants the config, so the class is made here
    class Consumer:
        """Gives the text that the platform's scripted engine gives."""

        @task_handler(name="generate")  # type: ignore[untyped-decorator]
        def generate(self, prompt: str) -> str:
            time.sleep(args.work_s)
            return decode(token_ids(prompt, tokens))

    consumer = _deployment(Consumer, "task-consumer", args.slots).options(num_replicas=args.replicas).bind()
    return _deployment(Ingress, "task-ingress", args.max_ongoing_requests).bind(config, consumer)


def _deployment(kind: type, name: str, max_ongoing_requests: int) -> Deployment:
    return serve.deployment(
        kind, name=name, max_ongoing_requests=max_ongoing_requests, ray_actor_options={"num_cpus": 0.1}
    )
