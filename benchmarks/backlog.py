"""A million waiting jobs, in SQLite and in Postgres: is it as quick to submit, to start and to restart as with few?"""

import json

import uvloop

from benchmarks.postgres_server import postgres_server
from benchmarks.program import REPOSITORY
from heliograph.local_ray import local_ray


def main() -> None:
    """Print how it goes, then the result."""
    figures = {}
    with local_ray({"PYTHONPATH": str(REPOSITORY)}, dashboard=False):
        from benchmarks.shard import actors, measure  # noqa: PLC0415 - they import ray, which `local_ray` is to do first

        with actors("", 0):
            print("sqlite", flush=True)
            figures["sqlite"] = uvloop.run(measure(0))
        with postgres_server() as postgres, actors(postgres.url, 1):
            print("postgres", flush=True)
            figures["postgres"] = uvloop.run(measure(1))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
