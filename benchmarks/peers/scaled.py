"""Two ways to have Ray Serve run jobs on replicas that it scales: as calls that are held open, and as Celery tasks.

A job is so many seconds of waiting. The calls scale by Serve's request-based policy, the tasks by its
`AsyncInferenceAutoscalingPolicy`; both get the bounds and delays that ours has.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import CeleryAdapterConfig, TaskProcessorConfig
from ray.serve.task_consumer import instantiate_adapter_from_config, task_consumer, task_handler
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from benchmarks.redis_server import BROKER_DATABASE, RESULT_DATABASE

TINY = {"num_cpus": 0.1}
QUEUE = "scaled"
POLICY = "ray.serve.async_inference_autoscaling_policy:AsyncInferenceAutoscalingPolicy"


class Args(BaseModel):
    """What the config file sets."""

    slots: int  # jobs at once on a replica
    scaling: dict[str, Any]
    max_ongoing_requests: int  # of the endpoint
    redis_port: int = 0


class Endpoint(ABC):
    """`POST /run` with `seconds`."""

    @abstractmethod
    async def run(self, seconds: float) -> None:
        """Have it done, or promised."""

    def __serve_build_asgi_app__(self) -> ASGIApp:
        app = FastAPI()
        app.add_route("/run", self._answer, methods=["POST"])
        return app

    async def _answer(self, request: Request) -> JSONResponse:
        await self.run((await request.json())["seconds"])
        return JSONResponse({})


class Worker:
    """Does jobs that are calls."""

    async def run(self, seconds: float) -> None:
        """One of them."""
        await asyncio.sleep(seconds)


@serve.ingress()
class Calls(Endpoint):
    """Answers when the job is done."""

    def __init__(self, worker: DeploymentHandle) -> None:
        self._worker = worker

    async def run(self, seconds: float) -> None:
        """Wait for it."""
        await self._worker.run.remote(seconds)


@serve.ingress()
class Tasks(Endpoint):
    """Answers when the job is in Redis."""

    def __init__(self, config: TaskProcessorConfig, worker: DeploymentHandle) -> None:
        del worker  # bound, so that Serve starts it
        self._tasks = instantiate_adapter_from_config(config)

    async def run(self, seconds: float) -> None:
        """Enqueue it."""
        self._tasks.enqueue_task_sync("run", args=[seconds])


def calls(args: Args) -> Application:
    """Jobs as calls."""
    scaling = AutoscalingConfig(**args.scaling, target_ongoing_requests=args.slots)
    return _ingress(Calls, args).bind(_worker(Worker, args, scaling).bind())


def tasks(args: Args) -> Application:
    """Jobs as tasks."""
    redis = f"redis://127.0.0.1:{args.redis_port}"
    celery = CeleryAdapterConfig(broker_url=f"{redis}/{BROKER_DATABASE}", backend_url=f"{redis}/{RESULT_DATABASE}")
    config = TaskProcessorConfig(queue_name=QUEUE, adapter_config=celery)
    kwargs = {"broker_url": celery.broker_url, "queue_name": QUEUE}
    policy = AutoscalingPolicy(policy_function=POLICY, policy_kwargs=kwargs)
    scaling = AutoscalingConfig(**args.scaling, target_ongoing_requests=args.slots, policy=policy)

    @task_consumer(task_processor_config=config)  # wants the config, so the class is made here
    class TaskWorker:
        """Does jobs that are tasks."""

        @task_handler(name="run")  # type: ignore[untyped-decorator]
        def run(self, seconds: float) -> None:
            time.sleep(seconds)

    return _ingress(Tasks, args).bind(config, _worker(TaskWorker, args, scaling).bind())


def _worker(kind: type, args: Args, scaling: AutoscalingConfig) -> Any:
    options = {"max_ongoing_requests": args.slots, "ray_actor_options": TINY, "autoscaling_config": scaling}
    return serve.deployment(kind, name="worker", **options)


def _ingress(kind: type, args: Args) -> Any:
    options = {"max_ongoing_requests": args.max_ongoing_requests, "ray_actor_options": TINY}
    return serve.deployment(kind, name="ingress", **options)
