"""The ceiling of a stream: an endpoint that sends the frames of one of ours, and stores, makes and reads nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from ray.serve import Application
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp


class Args(BaseModel):
    """What the config file sets."""

    frames: str  # a file with a recorded stream, there before the first request
    max_ongoing_requests: int


@serve.ingress()
class ConstantStream:
    """Sends."""

    def __init__(self, frames: Path) -> None:
        self._file = frames
        self._frames: list[bytes] = []

    def __serve_build_asgi_app__(self) -> ASGIApp:
        app = FastAPI()
        app.add_route("/v1/responses", self._stream, methods=["POST"])
        return app

    async def _stream(self, request: Request) -> StreamingResponse:
        await request.json()
        if not self._frames:
            self._frames = frames_of(self._file.read_bytes())
        return StreamingResponse(self._send(), media_type="text/event-stream")

    async def _send(self) -> AsyncIterator[bytes]:
        for frame in self._frames:
            await asyncio.sleep(0)  # events come one after another: without this, it would be the download of a file
            yield frame


def frames_of(body: bytes) -> list[bytes]:
    """The frames of a stream."""
    return [frame + b"\n\n" for frame in body.split(b"\n\n") if frame]


def build(args: Args) -> Application:
    """The application."""
    options = {"max_ongoing_requests": args.max_ongoing_requests, "ray_actor_options": {"num_cpus": 0.1}}
    return serve.deployment(ConstantStream, name="constant-stream", **options).bind(Path(args.frames))
