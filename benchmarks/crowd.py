"""A thousand readers of one generation: does each see every byte, and what does each cost the process that serves them?

The platform is the monolith, whose one process holds all of it and tells its own metrics. Every reader follows the
stream from its first event on, while the generation goes on.
"""

import json
import re
import sqlite3
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import uvloop

from actors.shards import token_log_file
from benchmarks.server import Server, serve
from benchmarks.sse import Stream, get, read
from configs.settings import CONFIGS

READERS = 1_000
TOKENS = 1_000
DELAY_MS = 15.0
KIB = 1024


class Figures(NamedTuple):
    """What the server tells of itself."""

    chunks: int  # read from the token log into feeds
    pages: int  # read again, by readers that were behind
    waiting: int  # bytes, the most that has waited for one reader
    resident: int  # bytes


def figures(server: Server) -> Figures:
    """At this moment."""
    text = httpx.get(f"http://127.0.0.1:{server.port}/metrics").raise_for_status().text
    return Figures(
        chunks=sample(text, "stream_chunks", source="feed"),
        pages=sample(text, "stream_chunks", source="page"),
        waiting=sample(text, "stream_waiting_bytes"),
        resident=psutil.Process(server.pid).memory_info().rss,
    )


def sample(exposition: str, name: str, **labels: str) -> int:
    """A sample of Prometheus' text, 0 where there is none."""
    wanted = "".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"^heliograph_{name}(?:_total)?(?:{{{wanted}}})? (\S+)$", exposition, re.MULTILINE)
    return int(float(found[1])) if found else 0


def measure(server: Server) -> dict[str, Any]:
    """All figures. Raises RuntimeError where a reader got other bytes than the rest."""
    path = submit(server.port)
    before = figures(server)
    streams = uvloop.run(read(server.port, [get(path)] * READERS, connections=READERS))
    after = figures(server)
    (again,) = uvloop.run(read(server.port, [get(path)], connections=1))
    check([*streams, again])
    return {
        "readers": len(streams),
        "events": again.events,
        "bytes": len(again.body),
        "chunks_logged": chunks(server.data),
        "chunks_read": after.chunks - before.chunks,
        "chunks_paged": after.pages - before.pages,
        "buffer_kib": round(after.waiting / KIB, 1),
        "memory_kib_per_reader": round((after.resident - before.resident) / KIB / len(streams), 1),
    }


def check(streams: list[Stream]) -> None:
    """Raise RuntimeError where two readers got different bytes, comments left out."""
    digests = {blake2b(stream.body.replace(b": ping\n\n", b"")).digest() for stream in streams}
    if len(digests) != 1:
        raise RuntimeError(f"{len(streams)} readers saw {len(digests)} different streams")


def submit(port: int) -> str:
    """Begin the generation; the path of its stream."""
    script = json.dumps({"tokens": TOKENS, "delay_ms": DELAY_MS})
    body = {
        "model": "scripted",
        "input": "Speak to a thousand.",
        "background": True,
        "max_output_tokens": TOKENS,
        "metadata": {"scripted": script},
    }
    reply = httpx.post(f"http://127.0.0.1:{port}/v1/responses", json=body).raise_for_status()
    return f"/v1/responses/{reply.json()['id']}?stream=true"


def chunks(data: Path) -> int:
    """How many the token log has, of this one job."""
    with closing(sqlite3.connect(f"{token_log_file(data).as_uri()}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
    return int(found)


def main() -> None:
    """Print the figures."""
    with serve(CONFIGS / "monolith.yaml") as server:
        print(json.dumps(measure(server)))


if __name__ == "__main__":
    main()
