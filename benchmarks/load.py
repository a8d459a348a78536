"""The load generator: one HTTP request after another on each of many keep-alive connections.

It shares the machine's cores with the servers, so it spends as little as it can: about 12 microseconds of CPU a
request, where aiohttp spends 200. All sides of a comparison get their load from here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, NamedTuple

from benchmarks.lanes import Lane, connected, run


class Load(NamedTuple):
    """What came back. Times are monotonic seconds."""

    started: float
    answered: float  # when the last answer was complete
    statuses: Counter[int]

    def check(self, status: int) -> None:
        """Raise RuntimeError unless every answer had this status: a refused request is no result."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"expected only answers {status}, got {dict(self.statuses)}")


def templated(number: int) -> dict[str, Any]:
    """What a job of ours is to say, by a template: so prompting renders it as a step of its own."""
    return {"template": "explain", "variables": {"topic": f"number {number}", "audience": "a child"}}


def post(path: str, body: dict[str, Any]) -> bytes:
    """A whole POST request with a JSON body."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def send(port: int, requests: Iterable[bytes], *, connections: int) -> Load:
    """Send all requests to 127.0.0.1, each connection taking the next one when it has its answer.

    Raises ConnectionError where the server closes a connection before it answered.
    """
    source, statuses = iter(requests), Counter[int]()
    lanes = await connected(port, lambda: _Lane(source, statuses), connections)
    started = monotonic()
    await run(lanes)
    return Load(started, monotonic(), statuses)


class _Lane(Lane):
    """One connection, of whose answers the statuses count."""

    def __init__(self, source: Iterator[bytes], statuses: Counter[int]) -> None:
        super().__init__(source)
        self._statuses = statuses

    def answered(self) -> None:
        self._statuses[self.parser.get_status_code()] += 1
