"""A Redis of our own on a free port, which logs every write to a file and is gone after the benchmark."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from benchmarks.program import running
from benchmarks.server import free_port

BROKER_DATABASE = 0
RESULT_DATABASE = 1  # of its own, so that its size is the number of results
POLL_S = 0.02


@contextmanager
def redis_server() -> Iterator[int]:
    """The port of a running Redis with an append-only file.

    Raises FileNotFoundError where `redis-server` is not installed.
    """
    if shutil.which("redis-server") is None:
        raise FileNotFoundError("redis-server is missing: apt-get install redis-server")
    port = free_port()
    with TemporaryDirectory(prefix="heliograph-redis-") as folder, running(_command(port, folder)):
        with client(port, BROKER_DATABASE) as redis:
            redis.ping()
        yield port


def client(port: int, database: int) -> Redis:
    """A client that waits up to 10 s for the server to come up."""
    retry = Retry(ConstantBackoff(0.1), 100, supported_errors=(RedisConnectionError,))
    return Redis(port=port, db=database, retry=retry)


def wait_for_size(redis: Redis, size: int, *, within_s: float) -> float:
    """The monotonic time, up to 20 ms late, at which the database had so many keys. Raises TimeoutError."""
    deadline = monotonic() + within_s
    while (there := int(redis.dbsize())) < size:
        if monotonic() > deadline:
            raise TimeoutError(f"{there} of {size} results after {within_s} s")
        sleep(POLL_S)
    return monotonic()


def _command(port: int, folder: str) -> list[str]:
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "loglevel": "warning",
    }
    return ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", value))]
