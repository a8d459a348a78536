"""The endpoint that all of them share: it takes a job, waits for a result, and counts the results that there are."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

STORE = os.environ.get("BENCH_STORE", "")  # the address of what keeps the jobs
SLOTS = 64  # jobs at once in each worker process
CONNECTIONS = 20  # to the database, of each process
POLL_S = 0.02  # where a product looks for work or results now and then
PATIENCE_S = 120.0


class Jobs(Protocol):
    """A product, as its client sees it."""

    async def submit(self, text: str) -> str:
        """The id of a new job, when that is durable."""
        ...

    async def result(self, job_id: str) -> str:
        """What the last step gave, as soon as it has."""
        ...

    async def finished(self) -> int:
        """How many jobs have a result."""
        ...


def serve(opened: Callable[[], AbstractAsyncContextManager[Jobs]], port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Products that block do it in threads, as many as there are clients.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
        async with opened() as app.state.jobs:
            yield

    routes = [
        Route("/jobs", _submit, methods=["POST"]),
        Route("/jobs/{job_id}/result", _result),
        Route("/finished", _finished),
    ]
    uvicorn.run(Starlette(routes=routes, lifespan=lifespan), port=port, log_level="warning", access_log=False)


async def until_sigterm() -> None:
    """Say that this worker is ready; returns when it is to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    await ended.wait()


async def _submit(request: Request) -> Response:
    body = await request.json()
    return JSONResponse({"job_id": await request.app.state.jobs.submit(body["prompt"])}, 202)


async def _result(request: Request) -> Response:
    async with asyncio.timeout(PATIENCE_S):
        return PlainTextResponse(await request.app.state.jobs.result(request.path_params["job_id"]))


async def _finished(request: Request) -> Response:
    return JSONResponse(await request.app.state.jobs.finished())
