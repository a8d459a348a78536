"""The lane of one WebSocket connection: its requests, one after another, and what it remembers.

Invariants:
- Every request is answered by the events of a response, or by one `error`; only the connection's end raises.
- What is not stored can be gone on from here only, while it is among the last `REMEMBERED`; a request that fails
  forgets what it wanted to go on from.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from pydantic_core import from_json, to_json
from starlette.websockets import WebSocketDisconnect

from deployments.history.responses import skeleton, usage_object
from deployments.ingestion.door import Call, unknown_model
from deployments.ingestion.errors import ApiError, api_error
from deployments.ingestion.readers import DrainError
from deployments.ingestion.resolver import Draft, Earlier
from deployments.ingestion.responses_body import ResponsesBody
from deployments.ingestion.service import IngestionService
from pipelines.jobs import Status, Usage

log = logging.getLogger("heliograph")
REMEMBERED = 16
_NO_FIELDS = frozenset(
    {"type", "stream", "stream_options", "background", "background_options", "generate", "stream_id"}
)
Send = Callable[[str], Awaitable[None]]


class Lane:
    """Of one tenant. `send` takes a frame; `limit` is that of a request in bytes."""

    def __init__(self, service: IngestionService, tenant: str, send: Send, *, limit: int) -> None:
        self._service = service
        self._tenant = tenant
        self._send = send
        self._limit = limit
        self._memory: OrderedDict[str, Earlier] = OrderedDict()

    async def answer(self, text: str) -> None:
        """Do what a client's event asks for."""
        event: dict[str, Any] = {}
        try:
            event = self._parse(text)
            await self._do(event)
        except (WebSocketDisconnect, DrainError):
            raise
        except Exception as error:  # noqa: BLE001 - told to the client, and logged where it is ours
            self._memory.pop(str(event.get("previous_response_id")), None)
            await self.fail(error, event.get("stream_id"))

    async def fail(self, error: Exception, stream_id: Any = None) -> None:
        """Tell of an error."""
        told = api_error(error)
        if told.status >= 500:
            log.error("a request on a WebSocket failed", exc_info=error)
        lane = {} if stream_id is None else {"stream_id": stream_id}
        await self._say({"type": "error", "status": told.status, **told.body(), **lane})

    def _parse(self, text: str) -> dict[str, Any]:
        if len(text.encode()) > self._limit:
            raise ApiError(413, f"A request may have at most {self._limit} bytes.", "body_too_large")
        try:
            event = from_json(text)
        except ValueError as error:
            raise ApiError(400, f"The event is not valid JSON: {error}", "invalid_json") from error
        if not isinstance(event, dict):
            raise ApiError(400, "An event is a JSON object.", "invalid_type")
        return event

    async def _do(self, event: dict[str, Any]) -> None:
        if event.get("stream_id") is not None:
            raise ApiError(400, "There is only the lane without a name.", "invalid_stream_id", "stream_id")
        match event.get("type"):
            case "response.create":
                await self._create(event)
            case "response.steer":
                await self._say(_not_steered(event))
            case kind:
                raise ApiError(400, f"There is no event of type '{kind}'.", "invalid_value", "type")

    async def _create(self, event: dict[str, Any]) -> None:
        raw = to_json({name: value for name, value in event.items() if name not in _NO_FIELDS})
        body = ResponsesBody.model_validate_json(raw)
        draft = await self._service.resolver.draft(body, self._tenant, self._memory)
        if event.get("generate") is False:
            await self._prepare(draft)
        else:
            await self._generate(draft, Call(tenant=self._tenant, size=len(raw), deadline_s=body.deadline_s))

    async def _prepare(self, draft: Draft) -> None:
        """A response without output, from which others may go on here."""
        if draft.request.model not in self._service.models:
            raise unknown_model(draft.request.model)
        response = skeleton(self._service.ids.new("resp"), draft.request)
        await self._say({"type": "response.created", "sequence_number": 0, "response": response})
        done = {"status": Status.COMPLETED, "completed_at": response["created_at"], "usage": usage_object(Usage())}
        self._remember(draft, response)
        await self._say({"type": "response.completed", "sequence_number": 1, "response": response | done})

    async def _generate(self, draft: Draft, call: Call) -> None:
        attachment = await self._service.attach(draft, call)
        try:
            async with aclosing(self._service.events(attachment.subject)) as frames:
                async for frame in frames:
                    await self._send(frame.data.decode())
        except DrainError:
            raise  # the session's end decides
        except BaseException:
            await attachment.gone()
            raise
        finally:
            attachment.close()
        response = from_json(frame.data)["response"]
        if not draft.request.stored and response["status"] in (Status.COMPLETED, Status.INCOMPLETE):
            self._remember(draft, response)

    def _remember(self, draft: Draft, response: dict[str, Any]) -> None:
        request = draft.request
        before = [*request.before, *(request.input or []), *response["output"]]
        self._memory[response["id"]] = Earlier(
            context=request.context, before=before, parent=draft.parent, rendered=request.parent_rendered
        )
        if len(self._memory) > REMEMBERED:
            self._memory.popitem(last=False)

    async def _say(self, event: dict[str, Any]) -> None:
        await self._send(to_json(event).decode())


def _not_steered(event: dict[str, Any]) -> dict[str, Any]:
    steer = {"previous_response_id": event.get("previous_response_id"), "input": event.get("input")}
    message = "A response that is under way cannot be steered."
    error = {"type": "invalid_request_error", "code": "steering_not_supported", "message": message}
    return {"type": "response.steer.failed", "sequence_number": 0, "steer": steer, "error": error}
