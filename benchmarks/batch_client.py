"""Batches as a client has them done, and when it hears of what has become of them."""

from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx

POLL_S = 0.25
_ENDS = ("completed", "failed", "expired", "cancelled")


class Ended(NamedTuple):
    """A batch that has ended, after so many seconds, and when each earlier status was seen first."""

    batch: dict[str, Any]
    seconds: float
    moments: dict[str, float]


def upload(client: httpx.Client, content: bytes) -> str:
    """The id of a file of lines."""
    files = {"file": ("lines.jsonl", content)}
    return str(_answer(client.post("/v1/files", files=files, data={"purpose": "batch"}))["id"])


def begin(client: httpx.Client, file: str, endpoint: str) -> str:
    """The id of a new batch."""
    body = {"input_file_id": file, "endpoint": endpoint, "completion_window": "1h"}
    return str(_answer(client.post("/v1/batches", json=body))["id"])


def look(client: httpx.Client, batch: str) -> dict[str, Any]:
    """The batch as it is now."""
    return _answer(client.get(f"/v1/batches/{batch}"))


def do(client: httpx.Client, file: str, endpoint: str, *, within_s: float) -> Ended:
    """A batch from its creation to its end. Raises TimeoutError where that does not come."""
    started, moments = monotonic(), dict[str, float]()
    batch = begin(client, file, endpoint)
    while (now := look(client, batch))["status"] not in _ENDS:
        moments.setdefault(now["status"], monotonic() - started)
        if monotonic() - started > within_s:
            raise TimeoutError(f"the batch is {now['status']} after {within_s} s: {now['request_counts']}")
        sleep(POLL_S)
    return Ended(now, monotonic() - started, moments)


def _answer(reply: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = reply.raise_for_status().json()
    return answer
