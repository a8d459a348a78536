"""Batches of Chat Completions as a client has them done, and when it hears of what has become of them."""

import json
from collections.abc import Iterable
from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx

ENDPOINT = "/v1/chat/completions"
WAIT_S = 600
POLL_S = 0.25
_ENDS = ("completed", "failed", "expired", "cancelled")


class Ended(NamedTuple):
    """A batch that has ended, after so many seconds, and when each earlier status was seen first."""

    batch: dict[str, Any]
    seconds: float
    moments: dict[str, float]


def content(bodies: Iterable[dict[str, Any]]) -> bytes:
    """A file with a line for each body, whose `custom_id` is its place."""
    return b"".join(_line(place, body) for place, body in enumerate(bodies))


def upload(client: httpx.Client, content: bytes) -> str:
    """The id of a file of lines."""
    files = {"file": ("lines.jsonl", content)}
    return str(_answer(client.post("/v1/files", files=files, data={"purpose": "batch"}))["id"])


def begin(client: httpx.Client, file: str) -> str:
    """The id of a new batch."""
    body = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": "1h"}
    return str(_answer(client.post("/v1/batches", json=body))["id"])


def look(client: httpx.Client, batch: str) -> dict[str, Any]:
    """The batch as it is now."""
    return _answer(client.get(f"/v1/batches/{batch}"))


def do(client: httpx.Client, file: str) -> Ended:
    """A batch from its creation to its end. Raises as `wait` does."""
    started = monotonic()
    return wait(client, begin(client, file), started)


def wait(client: httpx.Client, batch: str, started: float) -> Ended:
    """Its end. Raises TimeoutError where that does not come, RuntimeError where a line has no result."""
    moments: dict[str, float] = {}
    while (now := look(client, batch))["status"] not in _ENDS:
        moments.setdefault(now["status"], monotonic() - started)
        if monotonic() - started > WAIT_S:
            raise TimeoutError(f"the batch is {now['status']} after {WAIT_S} s: {now['request_counts']}")
        sleep(POLL_S)
    if now["request_counts"]["completed"] != now["request_counts"]["total"]:
        raise RuntimeError(f"not every line has a result: {now['request_counts']} {now['errors']}")
    return Ended(now, monotonic() - started, moments)


def _line(place: int, body: dict[str, Any]) -> bytes:
    return json.dumps({"custom_id": f"{place}", "method": "POST", "url": ENDPOINT, "body": body}).encode() + b"\n"


def _answer(reply: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = reply.raise_for_status().json()
    return answer
