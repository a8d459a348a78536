"""The jobs of a cell, and who asks for them: patient clients, and readers that come back after every broken stream."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx

from heliograph.frames import EndFrame, EventFrame, Frame, TokenFrame
from heliograph.http_client import HttpClient
from tests.servers import until

JOBS = 200
CLIENTS = 16
READERS = 4
PATIENCE_S = 240.0


class Client:
    """Repeats what was not answered, or with a fault of the server's, as the OpenAI client does."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The first answer that is not a fault of the server's."""
        reply: httpx.Response = until(
            lambda: self._try(method, path, **options), seconds=PATIENCE_S, what=f"{method} {path}"
        )
        return reply

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            reply = self._http.request(method, path, **options)
        except httpx.TransportError:
            return None
        return None if reply.status_code >= 500 else reply


class Load:
    """The jobs of one cell, submitted side by side, each under an idempotency key of its own."""

    def __init__(self, url: str, name: str, bodies: Sequence[dict[str, Any]], path: str) -> None:
        self._path = path
        self._client = Client(url)
        self._url = url
        self._name = name
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._answered = threading.Semaphore(0)
        self._submits = [self._pool.submit(self._submit, number, body) for number, body in enumerate(bodies)]
        self._reads: dict[str, Future[list[Frame]]] = {}
        self._readers = ThreadPoolExecutor(READERS)

    def wait_for(self, answers: int) -> None:
        """Returns when so many more were accepted."""
        for _ in range(answers):
            assert self._answered.acquire(timeout=PATIENCE_S)

    def ids(self) -> list[str]:
        """The ids of all jobs, once all are accepted."""
        return [submit.result() for submit in self._submits]

    def read(self, chance: random.Random) -> None:
        """Follow some of the jobs that are accepted by now."""
        accepted = [submit.result() for submit in self._submits if submit.done()]
        for job_id in chance.sample(accepted, min(READERS, len(accepted))):
            self._reads[job_id] = self._readers.submit(self._follow, job_id)

    def streams(self) -> dict[str, list[Frame]]:
        """What the readers saw."""
        return {job_id: read.result(PATIENCE_S) for job_id, read in self._reads.items()}

    def each(self, work: Callable[[str], Any]) -> list[Any]:
        """`work` on every job, side by side."""
        return list(self._pool.map(work, self.ids()))

    def get(self, path: str) -> dict[str, Any] | None:
        """What is there; None for 404."""
        reply = self._client.ask("GET", path)
        assert reply.status_code in (200, 404), reply.text
        answer: dict[str, Any] = reply.json()
        return answer if reply.status_code == 200 else None

    def close(self) -> None:
        self._pool.shutdown()
        self._readers.shutdown()
        self._client.close()

    def _follow(self, job_id: str) -> list[Frame]:
        with closing(HttpClient(self._url, patience_s=PATIENCE_S)) as client:
            return list(client.frames(job_id))

    def _submit(self, number: int, body: dict[str, Any]) -> str:
        headers = {"Idempotency-Key": f"{self._name}-{number}"}
        reply = self._client.ask("POST", self._path, json=body, headers=headers)
        assert reply.status_code in (200, 202), reply.text
        self._answered.release()
        job_id: str = reply.json()["id" if reply.status_code == httpx.codes.OK else "job_id"]
        return job_id


def text_of(frames: Sequence[Frame]) -> str | None:
    """What a reader's stream amounts to; None where its numbers fall, or where it does not end once, at the end."""
    shown = [frame for frame in frames if not isinstance(frame, EventFrame)]
    numbers = [frame.sequence_number for frame in shown]
    ends = [frame for frame in shown if isinstance(frame, EndFrame)]
    if numbers != sorted(set(numbers)) or ends != shown[-1:]:
        return None
    return "".join(frame.text for frame in shown if isinstance(frame, TokenFrame))
