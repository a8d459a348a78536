"""Events per second over HTTP with the scripted engine at full speed, beside an endpoint that sends constant frames.

Both live in one cluster behind one HAProxy, with one replica of each kind, and take turns; who is not at turn idles.
Ours writes, stores and tells every event of every stream; the endpoint sends the frames of one, recorded before.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

import uvloop
import yaml

from benchmarks.load import post
from benchmarks.peers.application import application
from benchmarks.ratios import ratios
from benchmarks.server import Server, serve
from benchmarks.sse import Stream, read
from configs.settings import CONFIGS

ROUNDS = 5
READERS = 64
STREAMS = 128  # of a turn
TOKENS = 1_000
PAUSE_S = 1  # between turns: what one left to do must not cost the next
ONE_BY_ONE = json.dumps({"tokens": TOKENS, "step": 1})  # without a pause between them
OURS, CONSTANT = "/v1/responses", "/constant/v1/responses"


def body(number: int) -> dict[str, Any]:
    """A request whose prompt nobody has seen before."""
    return {
        "model": "scripted",
        "input": f"Say something about {number}.",
        "background": True,
        "stream": True,
        "max_output_tokens": TOKENS,
        "metadata": {"scripted": ONE_BY_ONE},
    }


def events_per_s(streams: Sequence[Stream]) -> float:
    """From the first request to the last end."""
    seconds = max(stream.ended for stream in streams) - min(stream.started for stream in streams)
    return sum(stream.events for stream in streams) / seconds


def turn(server: Server, path: str, numbers: Iterator[int], *, streams: int = STREAMS) -> list[Stream]:
    """What the readers of one side got."""
    sleep(PAUSE_S)
    requests = [post(path, body(number)) for number in islice(numbers, streams)]
    return uvloop.run(read(server.port, requests, connections=min(streams, READERS)))


def measure(server: Server, frames: Path) -> dict[str, Any]:
    """The rates of both sides by round, after a round that only warms up."""
    numbers, ours, theirs = count(), list[float](), list[float]()
    (recorded,) = turn(server, OURS, numbers, streams=1)
    frames.write_bytes(recorded.body)
    print(f"a stream has {recorded.events} events and {len(recorded.body)} bytes", flush=True)
    for number in range(ROUNDS + 1):
        ours.append(events_per_s(turn(server, OURS, numbers)))
        theirs.append(events_per_s(turn(server, CONSTANT, numbers)))
        print(f"round {number}  heliograph {ours[-1]:.0f} events/s, constant {theirs[-1]:.0f} events/s", flush=True)
    return result(ours[1:], theirs[1:])


def result(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """The comparison."""
    ratio = ratios(ours, theirs)
    return {
        "sse_vs_noop": round(ratio.median, 3),
        "least_to_greatest": {"sse_vs_noop": [round(ratio.least, 3), round(ratio.greatest, 3)]},
        "events_per_s": {"heliograph": [round(rate) for rate in ours], "constant": [round(rate) for rate in theirs]},
    }


@contextmanager
def cluster() -> Iterator[tuple[Server, Path]]:
    """The platform as `configs/scripted.yaml` has it with the constant endpoint beside it, and its frames' file."""
    config = yaml.safe_load((CONFIGS / "scripted.yaml").read_text())
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        frames, file = Path(folder) / "frames", Path(folder) / "streams.yaml"
        config["applications"].append(application("constant_stream", "/constant", frames=str(frames)))
        file.write_text(yaml.safe_dump(config))
        with serve(file) as server:
            server.check_haproxy()
            yield server, frames


def main() -> None:
    """Print every rate, then the result."""
    with cluster() as (server, frames):
        print(json.dumps(measure(server, frames)))


if __name__ == "__main__":
    main()
