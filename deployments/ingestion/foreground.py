"""What a client gets that waits for its response: a stream that cancels when it is left, or the whole at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from pydantic_core import from_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.history.stream_events import StreamFrame
from deployments.ingestion.attachments import Attachment, while_present
from deployments.ingestion.errors import ApiError
from deployments.ingestion.idempotency import REPLAYED
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.service import IngestionService
from deployments.ingestion.sse import EventStream
from pipelines.jobs import Fault, Status

CLIENT_GONE = 499  # nobody reads it; for the access log
OUR_FAULTS = frozenset(
    {
        "cannot_continue",
        "deadline_exceeded",
        "server_error",
        "step_deadline_exceeded",
        "transient",
        "worker_crashed",
        "worker_lost",
    }
)  # all others were raised over what the client asked for


class JobFailedError(ApiError):
    """The job has failed for good, so that another try would be another job that fails."""

    def headers(self) -> dict[str, str]:
        """Not to be tried again."""
        return {"x-should-retry": "false"}


class AttachedStream(EventStream):
    """A stream whose client is waited for."""

    def __init__(self, batches: AsyncGenerator[Sequence[StreamFrame]], attachment: Attachment) -> None:
        headers = REPLAYED if attachment.replayed else None
        super().__init__(batches, headers=headers, on_gone=attachment.gone)
        self._attachment = attachment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, as long as the client is there."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._attachment.close()


async def whole_response(service: IngestionService, attachment: Attachment, receive: Receive) -> Response:
    """The Response once it is there. Raises ApiError where the job failed before it had said anything."""
    try:
        last = await while_present(receive, service.end(attachment.subject))
        if last is None:
            await attachment.gone()
            return Response(status_code=CLIENT_GONE)
    except asyncio.CancelledError:  # how Ray Serve tells that the client has left
        await attachment.gone()
        raise
    finally:
        attachment.close()
    response = from_json(last.data)["response"]
    if response["status"] == Status.FAILED and not response["output"]:
        raise failure(await service.fault(attachment.subject))
    headers = REPLAYED if attachment.replayed else None
    return json_reply(response, headers=headers)


def failure(fault: Fault) -> ApiError:
    """A job's failure as the reply to its creation."""
    if fault.code in OUR_FAULTS:
        return JobFailedError(500, "The generation failed.", "server_error")
    return ApiError(400, fault.message, fault.code)
