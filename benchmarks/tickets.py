"""Looks at what lies on the topics of a running cluster."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import psutil

from actors.naming import NAMESPACE, TOPICS

LOOK_S = 0.5  # how long one look waits for a ticket
PAUSE_S = 0.1


class Sampler:
    """Takes a ticket now and then, and puts it back: a ticket names no job, so nobody misses it."""

    def __init__(self, actor: Any, topics: Iterable[str]) -> None:
        self.seen = 0
        self.largest = 0  # bytes as Ray sends it
        self._actor = actor
        self._topics = list(topics)
        self._stopped = Event()

    def run(self) -> None:
        """Look until `stop`."""
        while not self._stopped.wait(PAUSE_S):
            for topic in self._topics:
                self._look(topic)

    def stop(self) -> None:
        """No more looks."""
        self._stopped.set()

    def _look(self, topic: str) -> None:
        import ray  # noqa: PLC0415 - see `sampling`

        ticket = ray.get(self._actor.take.remote(topic, LOOK_S))
        if ticket is None:
            return
        self._actor.put.remote(topic, 1, ticket)
        self.seen += 1
        self.largest = max(self.largest, len(ray.cloudpickle.dumps(ticket)))


@contextmanager
def sampling(server: psutil.Process, topics: Iterable[str]) -> Iterator[Sampler]:
    """A sampler at work on the topics of this server's cluster."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # as the server's; read when ray is imported
    import ray  # noqa: PLC0415

    ray.init(address=_gcs_address(server), namespace=NAMESPACE, log_to_driver=False, logging_level="warning")
    try:
        sampler = Sampler(ray.get_actor(TOPICS), topics)
        thread = Thread(target=sampler.run)
        thread.start()
        try:
            yield sampler
        finally:
            sampler.stop()
            thread.join()
    finally:
        ray.shutdown()


def _gcs_address(server: psutil.Process) -> str:
    """Where the server's own cluster is, among several on this machine."""
    words = (word for process in server.children(recursive=True) for word in process.cmdline())
    return next(word.partition("=")[2] for word in words if word.startswith("--gcs-address="))
