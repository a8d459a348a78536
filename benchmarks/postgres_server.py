"""A Postgres of our own that keeps what it commits, and is gone after the benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres import PostgresServer


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; `fsync` and `synchronous_commit` are on, as Postgres comes."""
    server = PostgresServer()
    server.start(fsync=True)
    try:
        yield server
    finally:
        server.remove()
