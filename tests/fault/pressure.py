"""Clients that ask without a pause, each in a way of its own, and keep whatever was not as it should be."""

import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import httpx

from heliograph.http_client import HttpClient
from tests.fault.follower import Follower
from tests.fault.matrix.load import PATIENCE_S, text_of
from tests.servers import by_template

TOKENS = 12
MOST_TOKENS = 1000
HI = [{"role": "user", "content": "Hi"}]


class Address(NamedTuple):
    """Where a server is."""

    url: str


def script(tokens: int, delay_ms: int = 100) -> dict[str, str]:
    """The metadata by which a job says so many words, one after each delay."""
    return {"scripted": json.dumps({"tokens": tokens, "delay_ms": delay_ms})}


BODY = {
    "model": "scripted",
    "input": "Say something.",
    "max_output_tokens": MOST_TOKENS,
    "metadata": script(TOKENS),
}


class Pressure:
    """Asks until it is closed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown: dict[str, str | None] = {}  # by job: the text that its client saw; None: a torn stream
        self.errors: list[str] = []
        self.breaks = 0  # of streams
        self._http = httpx.Client(base_url=url, timeout=PATIENCE_S)
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._round = threading.Semaphore(0)
        ways = (self._job, self._job, self._stream, self._stream, self._foreground, self._direct)
        self._pool = ThreadPoolExecutor(len(ways))
        self._clients: list[Future[None]] = [self._pool.submit(self._ask, way) for way in ways]

    def go_on(self, answers: int = 12) -> None:
        """Returns when so many more were complete."""
        for _ in range(answers):
            assert self._round.acquire(timeout=PATIENCE_S), self.errors

    def undisturbed(self) -> bool:
        """Whether a further round of all of them goes without an error."""
        self.errors.clear()
        self.go_on()
        return not self.errors

    def close(self) -> None:
        """Let them all come to an end."""
        self._ended.set()
        for client in self._clients:
            client.result(PATIENCE_S)
        self._pool.shutdown()
        self._http.close()

    def _ask(self, way: Callable[[dict[str, Any]], None]) -> None:
        while not self._ended.is_set():
            try:
                way({**BODY, "input": f"Say something about {next(self._numbers)}."})
            except Exception as error:  # noqa: BLE001 - it is the finding
                self.errors.append(f"{way.__name__}: {error!r}")
            self._round.release()

    def _job(self, body: dict[str, Any]) -> None:
        """Submit, and follow over the WebSocket, which may be taken up again."""
        asked = {key: value for key, value in body.items() if key != "input"} | by_template(next(self._numbers))
        reply = self._http.post("/async-generate", json=asked)
        assert reply.status_code == httpx.codes.ACCEPTED, reply.text
        job_id: str = reply.json()["job_id"]
        self.shown[job_id] = None
        with closing(HttpClient(self.url, patience_s=PATIENCE_S)) as client:
            self.shown[job_id] = text_of(list(client.frames(job_id)))

    def _stream(self, body: dict[str, Any]) -> None:
        """Submit and read Server-Sent Events, going on at the cursor where the connection breaks."""
        follower = Follower(Address(self.url), {**body, "background": True, "stream": True})
        for _ in follower:
            self.shown.setdefault(follower.response_id, None)
        self.breaks += follower.connections - 1
        self.shown[follower.response_id] = follower.text

    def _foreground(self, body: dict[str, Any]) -> None:
        """Wait for the whole response."""
        reply = self._http.post("/v1/responses", json=body)
        assert reply.status_code == httpx.codes.OK, reply.text
        response = reply.json()
        self.shown[response["id"]] = response["output"][0]["content"][0]["text"]

    def _direct(self, body: dict[str, Any]) -> None:
        """A chat completion, which is no job."""
        asked = {"model": body["model"], "messages": HI, "metadata": body["metadata"]}
        reply = self._http.post("/v1/chat/completions", json=asked)
        assert reply.status_code == httpx.codes.OK, reply.text
        assert len(reply.json()["choices"][0]["message"]["content"].split()) == TOKENS
