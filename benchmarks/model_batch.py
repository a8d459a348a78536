"""Batches of 500 lines on a real model: beside `ray.data.llm`, and what interactive requests feel of them.

(1) Tokens per second of a batch, from its creation until its results are files, and of `ray.data.llm` on the same
lines, by turns. (2) The first token of a streamed, background Response, 95th percentile: on the idle system; while
batches run and nobody else is there, so that they have their full share (requests come further apart than the share
remembers); and while one batch runs and requests come one after the other, so that it has the share that is left then.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from math import ceil
from statistics import median
from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx

from benchmarks.batch_client import POLL_S, WAIT_S, begin, content, do, look, upload, wait
from benchmarks.engine import prompts
from benchmarks.model_streams import CONFIGURED, MODEL, OURS, Side, compare, first_ms
from benchmarks.program import Program, running
from benchmarks.ratios import Pairs, ratios
from benchmarks.server import START_S, serve, with_model
from configs.settings import CONFIGS
from deployments.inference.share import QUIET_S
from heliograph.models import add_model

LINES = 500
TOKENS = 32
PAIRS = 5
REQUESTS = 20  # interactive ones in each state
IDLE_S = 2.0  # between them: vLLM's processes spin for a second after their last token
ASK = Side(**{**OURS._asdict(), "prompt": {"background": True, "max_output_tokens": TOKENS}})
_numbers = count(5000)  # of prompt lists


class Firsts(NamedTuple):
    """Milliseconds to the first token of interactive requests."""

    idle: list[float]
    full: list[float]
    protected: list[float]


class Platform(NamedTuple):
    """Ours, at this port."""

    client: httpx.Client
    port: int

    def rate(self, asked: Sequence[str]) -> float:
        """Tokens per second of a batch of these prompts."""
        ended = do(self.client, upload(self.client, content(bodies(asked))))
        return float(ended.batch["usage"]["output_tokens"] / ended.seconds)

    def first_ms(self) -> float:
        """Of one interactive request."""
        return first_ms(self.port, ASK, prompts(next(_numbers), 1))

    def idle(self) -> list[float]:
        """Of requests while nothing else is there."""
        found = []
        for _ in range(REQUESTS):
            sleep(IDLE_S)
            found.append(self.first_ms())
        return found

    def full_share(self) -> list[float]:
        """Of requests that come too seldom for a batch to mind."""
        found: list[float] = []
        while len(found) < REQUESTS:
            batch = self._begin()
            while self._runs(batch):
                found.append(self.first_ms())
                self._pass(batch, QUIET_S + 1)
            wait(self.client, batch, monotonic())
        return found

    def protected(self) -> tuple[float, list[float]]:
        """Tokens per second of a batch while requests come one after the other, and their first tokens."""
        batch, found = self._begin(), list[float]()
        before, started = self._made(batch), monotonic()
        while self._runs(batch):
            found.append(self.first_ms())
        rate = (self._made(batch) - before) / (monotonic() - started)
        wait(self.client, batch, monotonic())
        return rate, found

    def _begin(self) -> str:
        """The id of a new batch, some of whose lines have ended."""
        batch = begin(self.client, upload(self.client, content(bodies(prompts(next(_numbers), LINES)))))
        while not self._made(batch):
            sleep(POLL_S)
        return batch

    def _made(self, batch: str) -> int:
        """Tokens of the lines that have ended."""
        return int(look(self.client, batch)["usage"]["output_tokens"])

    def _runs(self, batch: str) -> bool:
        """Whether it keeps the engine busy."""
        counts = look(self.client, batch)["request_counts"]
        return bool(counts["total"] - counts["completed"] - counts["failed"] > LINES // 10)

    def _pass(self, batch: str, seconds: float) -> None:
        ends = monotonic() + seconds
        while monotonic() < ends and self._runs(batch):
            sleep(POLL_S)


def bodies(asked: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The requests for these prompts."""
    for prompt in asked:
        messages = [{"role": "user", "content": prompt}]
        yield {"model": MODEL, "messages": messages, "max_completion_tokens": TOKENS, "temperature": 0}


def offline_rate(program: Program, asked: Sequence[str]) -> float:
    """Tokens per second of `ray.data.llm`."""
    program.say(json.dumps({"prompts": asked, "max_tokens": TOKENS}))
    answer = json.loads(program.line("ran ", within_s=WAIT_S))
    return float(answer["tokens"] / answer["seconds"])


def p95(figures: Sequence[float]) -> float:
    """The 95th percentile: the least figure that so many are not above."""
    return sorted(figures)[ceil(0.95 * len(figures)) - 1]


def asks() -> Iterator[list[str]]:
    """The prompts of all pairs, after those that warm up; nobody is asked one twice."""
    return (prompts(next(_numbers), LINES) for _ in range(PAIRS + 1))


def result(pairs: Pairs, firsts: Firsts, protected: float) -> dict[str, Any]:
    """The figures; `protected` is the tokens per second of the batch beside which requests came."""
    offline, idle = ratios(*pairs), p95(firsts.idle)
    return {
        "vs_offline": round(offline.median, 3),
        "interactive_p95_ratio": round(p95(firsts.full) / idle, 2),
        "vs_offline_protected": round(protected / median(pairs.theirs), 3),
        "interactive_p95_ratio_protected": round(p95(firsts.protected) / idle, 2),
        "least_to_greatest": {"vs_offline": [round(offline.least, 3), round(offline.greatest, 3)]},
        "tokens_per_s": {"ours": [round(r) for r in pairs.ours], "offline": [round(r) for r in pairs.theirs]},
        "first_token_ms": {name: [round(ms) for ms in figures] for name, figures in firsts._asdict().items()},
    }


def measure(platform: Platform) -> dict[str, Any]:
    """All figures."""
    platform.rate(prompts(next(_numbers), LINES))  # warms up
    idle = platform.idle()
    full = platform.full_share()
    rate, protected = platform.protected()
    print(f"first tokens: idle {p95(idle):.0f} ms, full {p95(full):.0f}, protected {p95(protected):.0f}", flush=True)
    with running([sys.executable, "-m", "benchmarks.ray_data_llm", MODEL]) as offline:
        offline.line("ready", within_s=START_S)
        pairs = compare(platform.rate, partial(offline_rate, offline), asks())
    return result(pairs, Firsts(idle, full, protected), rate)


def main() -> None:
    """Print every figure, then the result."""
    add_model(MODEL)
    event_driven = CONFIGS / "event-driven.yaml"
    with with_model(event_driven, MODEL, instead_of=CONFIGURED) as config, serve(config) as server:
        server.check_haproxy()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=WAIT_S) as client:
            print(json.dumps(measure(Platform(client, server.port))))


if __name__ == "__main__":
    main()
