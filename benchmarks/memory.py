"""Whether memory grows with the number of jobs, or events with payloads: 10 000 scripted jobs of 100 KiB prompts.

Watched are the largest event in the journal, the largest ticket seen on a queue, and the private memory of the
processes of journal and queues after 1 000 and after 10 000 finished jobs.
"""

import json
from collections.abc import Iterator

import psutil
import uvloop

from benchmarks.journal_file import JournalFile, open_journal_file
from benchmarks.load import post, send
from benchmarks.server import Server, serve
from benchmarks.tickets import sampling
from configs.settings import CONFIGS
from pipelines.steps import PROMPTING_TOPIC, inference_topic

FIRST = 1_000
ALL = 10_000
PROMPT_BYTES = 100 * 1024
CONNECTIONS = 64
WAIT_S = 1800
MIB = 1 << 20

JOURNAL = "ray::JournalActor"
QUEUES = "ray::TopicsActor"


def requests(numbers: range) -> Iterator[bytes]:
    """Jobs whose prompts all differ."""
    for number in numbers:
        prompt = f"{number} ".ljust(PROMPT_BYTES, "lorem ipsum "[number % 12])
        yield post("/async-generate", {"model": "scripted", "prompt": prompt})


def run(server: Server, journal: JournalFile, numbers: range) -> None:
    """Submit jobs, and wait for their results."""
    load = uvloop.run(send(server.port, requests(numbers), connections=CONNECTIONS))
    load.check(202)
    journal.wait(within_s=WAIT_S)


def private(server: psutil.Process, title: str) -> dict[int, int]:
    """Bytes of each process of the server's with this title, by pid. Raises RuntimeError where there is none.

    Pages of files are left out: the kernel drops and rereads them as it likes, which hides what is gained elsewhere.
    """
    found = {}
    for process in server.children(recursive=True):
        if title in " ".join(process.cmdline()):
            memory = process.memory_info()
            found[process.pid] = memory.rss - memory.shared
    if not found:
        raise RuntimeError(f"the server has no process {title!r}")
    return found


def growth(before: dict[int, int], after: dict[int, int]) -> float:
    """MiB gained by these processes together. Raises RuntimeError where one was replaced in between."""
    if before.keys() != after.keys():
        raise RuntimeError("a process was replaced, so its memory says nothing")
    return (sum(after.values()) - sum(before.values())) / MIB


def main() -> None:
    """Print what was watched, then the result."""
    with serve(CONFIGS / "scripted.yaml") as server, open_journal_file(server.data) as journal:
        process = psutil.Process(server.pid)
        with sampling(process, [PROMPTING_TOPIC, inference_topic("scripted")]) as sampler:
            run(server, journal, range(FIRST))
            before = {title: private(process, title) for title in (JOURNAL, QUEUES)}
            print(f"after {FIRST} jobs: bytes by pid {before}", flush=True)
            run(server, journal, range(FIRST, ALL))
            after = {title: private(process, title) for title in (JOURNAL, QUEUES)}
            print(f"after {ALL} jobs: bytes by pid {after}; {sampler.seen} tickets seen", flush=True)
        if journal.failed() or not sampler.seen:
            raise RuntimeError(f"{journal.failed()} jobs have no result; {sampler.seen} tickets were seen")
        result = {
            "max_event_bytes": journal.largest_event(),
            "max_queue_item_bytes": sampler.largest,
            "journal_growth_mib": round(growth(before[JOURNAL], after[JOURNAL]), 1),
            "queue_growth_mib": round(growth(before[QUEUES], after[QUEUES]), 1),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
