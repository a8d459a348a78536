"""`WS /jobs/{id}/stream`: events, tokens and the end as JSON frames.

An error is one frame in OpenAI's shape, and then the connection closes: 1008 for the client's faults, 1011 for ours.
A server that ends closes it with 1012; the client resumes.
"""

import asyncio
import contextlib
import logging
from contextlib import aclosing

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic_core import to_json

from deployments.ingestion.errors import ApiError, api_error
from deployments.ingestion.middleware import POLICY_VIOLATION, tenant_of
from deployments.ingestion.readers import DrainError
from deployments.ingestion.service import IngestionService

log = logging.getLogger("heliograph")
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012


def stream_route(service: IngestionService) -> APIRouter:
    """The one WebSocket route."""
    router = APIRouter()

    @router.websocket("/jobs/{job_id}/stream")
    async def stream(socket: WebSocket, job_id: str) -> None:
        await socket.accept()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(socket, service, job_id))
            listening = tasks.create_task(_until_gone(socket))
            sending.add_done_callback(lambda _: listening.cancel())
            listening.add_done_callback(lambda _: sending.cancel())

    return router


async def _send(socket: WebSocket, service: IngestionService, job_id: str) -> None:
    try:
        after = _starting_after(socket)
        async with aclosing(service.stream(job_id, after, tenant_of(socket.scope))) as frames:
            async for frame in frames:
                await socket.send_text(to_json(frame).decode())
        await socket.close()
    except WebSocketDisconnect:
        return
    except DrainError:
        await socket.close(SERVICE_RESTART)
    except Exception as error:  # noqa: BLE001 - told to the client, and logged where it is ours
        await _fail(socket, error)


async def _fail(socket: WebSocket, error: Exception) -> None:
    told = api_error(error)
    if told.status >= 500:
        log.error("stream failed", exc_info=error)
    frame = {"type": "error", "status": told.status, **told.body()}
    with contextlib.suppress(WebSocketDisconnect):
        await socket.send_text(to_json(frame).decode())
        await socket.close(POLICY_VIOLATION if told.status < 500 else INTERNAL_ERROR)


async def _until_gone(socket: WebSocket) -> None:
    """Read, so that a disconnect is noticed while nothing is sent. What the client says is ignored."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _starting_after(socket: WebSocket) -> int:
    text = socket.query_params.get("starting_after")
    if text is None:
        return -1
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ApiError(400, "'starting_after' must be a whole number from 0 on.", "invalid_value", "starting_after")
    return int(text)
