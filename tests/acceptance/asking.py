"""How the acceptance tests ask the scripted engine, through the real SDK or bare HTTP."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
from openai import OpenAI
from openai.types.responses import Response

from tests.acceptance.client import PATIENCE_S, PAUSE_S

WORDS = {"tokens": 12}
SLOW = {"tokens": 5000, "delay_ms": 20}
DONE = b"data: [DONE]\n\n"
OPEN = ("queued", "in_progress")


def asked(script: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """The body of a create."""
    metadata = {"scripted": json.dumps(WORDS if script is None else script)}
    return {"model": "scripted", "input": "Say something.", "metadata": metadata, **options}


def poll(sdk: OpenAI, response: Response) -> Response:
    """The response once it has ended."""
    give_up_at = time.monotonic() + PATIENCE_S
    while response.status in OPEN:
        assert time.monotonic() < give_up_at, response
        time.sleep(PAUSE_S)
        response = sdk.responses.retrieve(response.id)
    return response


def read_stream(http: httpx.Client, method: str, path: str, **options: Any) -> bytes:
    """All bytes of a stream but the comments that keep it alive."""
    with http.stream(method, path, **options) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        return reply.read().replace(b": ping\n\n", b"")


def frames_of(stream: bytes) -> list[bytes]:
    """The frames of a whole stream, without the last one, which says that there are no more."""
    assert stream.endswith(DONE)
    return [frame + b"\n\n" for frame in stream.removesuffix(DONE).split(b"\n\n")[:-1]]


def events_of(stream: bytes) -> Iterator[dict[str, Any]]:
    """The events of a whole stream; each is named as its frame says."""
    for frame in frames_of(stream):
        name, data = frame.decode().rstrip("\n").split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        yield event
