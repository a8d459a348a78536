"""A batch of 50 000 lines on the scripted engine: until it is accepted, lines per second, memory.

`configs/scripted.yaml` with as many slots as vLLM has on a GPU. A batch of 5 000 lines goes before it, which warms up,
and after which memory is looked at first. Times begin when the upload has been answered, and end, up to a quarter of a
second late, when the batch says so: it is in progress once every line is on disk, and completed once its results are
files.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import psutil

from benchmarks.batch_client import WAIT_S, content, do, upload
from benchmarks.memory import growth, private
from benchmarks.server import serve, with_model
from configs.settings import CONFIGS

MODEL = "scripted-wide"
FIRST = 5_000
ALL = 50_000
TITLES = ("ray::JournalActor", "ray::TokenLogActor", "ray::TopicsActor", "ray::ServeReplica")


class Times(NamedTuple):
    """Seconds since the upload was answered."""

    accepted: float
    run: float  # every line has ended
    completed: float


def bodies(lines: int) -> Iterator[dict[str, Any]]:
    """So many requests that all differ."""
    for number in range(lines):
        yield {"model": MODEL, "messages": [{"role": "user", "content": f"Say something about {number}."}]}


def run(client: httpx.Client, lines: int) -> Times:
    """One batch. Raises RuntimeError unless every line has a result."""
    ended = do(client, upload(client, content(bodies(lines))))
    _check(client, ended.batch, lines)
    run_s = ended.moments.get("finalizing", ended.seconds)
    return Times(ended.moments.get("in_progress", run_s), run_s, ended.seconds)


def result(times: Times, grown: Mapping[str, float]) -> dict[str, Any]:
    """The figures. `grown` is the memory gained by the processes of a title, in MiB."""
    return {
        "accept_s": round(times.accepted, 2),
        "lines_per_s": round(ALL / times.completed),
        "finalize_s": round(times.completed - times.run, 2),
        "memory_growth_mib": round(sum(grown.values()), 1),
        "grown_mib": {title: round(mib, 1) for title, mib in grown.items()},
    }


def _check(client: httpx.Client, batch: dict[str, Any], lines: int) -> None:
    told = client.get(f"/v1/files/{batch['output_file_id']}/content").text.splitlines()
    if {json.loads(line)["custom_id"] for line in told} != {str(number) for number in range(lines)}:
        raise RuntimeError(f"the output file has {len(told)} lines, and not those of the input")


def main() -> None:
    """Print what was measured, then the result."""
    with with_model(CONFIGS / "scripted.yaml", MODEL, instead_of="scripted") as config, serve(config) as server:
        process = psutil.Process(server.pid)
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=WAIT_S) as client:
            print(f"{FIRST} lines: {run(client, FIRST)}", flush=True)
            before = {title: private(process, title) for title in TITLES}
            times = run(client, ALL)
            print(f"{ALL} lines: {times}", flush=True)
            after = {title: private(process, title) for title in TITLES}
    grown = {title: growth(before[title], after[title]) for title in TITLES}
    print(json.dumps(result(times, grown)))


if __name__ == "__main__":
    main()
