"""Streams of a real model with readers over HTTP, beside `ray.serve.llm` and beside vLLM's `AsyncLLM` alone.

All three load the same model with the same arguments and take turns; who is not at turn is idle. Ours and
`ray.serve.llm` live in one cluster behind one HAProxy, `AsyncLLM` in a process of its own that has no readers.
(1) 64 streams of 64 tokens at once: tokens per second, from the first request to the last stream's end. (2) On the idle
system, one stream at a time: from the request to the first token of ours, and to the first chunk of theirs.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any, NamedTuple

import uvloop
import yaml

from benchmarks.engine import IDLE_S, JOBS, TOKENS, ask, prompts
from benchmarks.load import post
from benchmarks.peers.application import application
from benchmarks.program import Program, running
from benchmarks.ratios import differences, ratios
from benchmarks.server import START_S, Server, serve
from benchmarks.sse import Stream, read
from configs.settings import CONFIGS
from heliograph.models import add_model

MODEL = "smollm2-135m-instruct-bf16"  # as engines compute on GPUs; the faster the engine, the more the rest shows
CONFIGURED = "smollm2-135m-instruct"
ROUNDS = 5
FIRST_TOKENS = 20


class Side(NamedTuple):
    """One that streams over HTTP."""

    path: str
    prompt: dict[str, Any]  # the body but for the prompt itself
    field: str  # where the prompt goes
    marker: bytes  # in the first piece of a stream that counts
    tokens: str  # the name of their number in the usage, which comes last

    def request(self, prompt: str) -> bytes:
        """The request for a prompt."""
        told = prompt if self.field == "input" else [{"role": "user", "content": prompt}]
        return post(self.path, {"model": MODEL, "stream": True, "temperature": 0, **self.prompt, self.field: told})


OURS = Side(
    path="/v1/responses",
    prompt={"background": True, "max_output_tokens": TOKENS},
    field="input",
    marker=b"event: response.output_text.delta",
    tokens="output_tokens",
)
RAY_LLM = Side(
    path="/ray-llm/v1/chat/completions",
    prompt={"max_tokens": TOKENS, "stream_options": {"include_usage": True}},
    field="messages",
    marker=b"data: {",
    tokens="completion_tokens",
)


def tokens_of(stream: Stream, name: str) -> int:
    """How many tokens a stream was. Raises RuntimeError where it does not tell."""
    for line in reversed(stream.body.splitlines()):
        if line.startswith(b"data: {"):
            event = json.loads(line.removeprefix(b"data: "))
            usage = event.get("response", event).get("usage")
            if usage:
                return int(usage[name])
    raise RuntimeError(f"a stream ended without its usage: {stream.body[-200:]!r}")


def streams(server: Server, side: Side, prompts: Sequence[str]) -> list[Stream]:
    """What readers of these prompts got, all at once."""
    requests = [side.request(prompt) for prompt in prompts]
    return uvloop.run(read(server.port, requests, connections=len(requests), marker=side.marker))


def rate(server: Server, side: Side, prompts: Sequence[str]) -> float:
    """Tokens per second."""
    found = streams(server, side, prompts)
    seconds = max(stream.ended for stream in found) - min(stream.started for stream in found)
    return sum(tokens_of(stream, side.tokens) for stream in found) / seconds


def first_s(server: Server, side: Side, prompt: str) -> float:
    """Seconds to what counts as the first of one stream."""
    (stream,) = streams(server, side, [prompt])
    return stream.first - stream.started


class Rates(NamedTuple):
    """Tokens per second by round."""

    ours: list[float]
    async_llm: list[float]
    ray_llm: list[float]


class Firsts(NamedTuple):
    """Milliseconds by pair."""

    ours: list[float]
    ray_llm: list[float]


def rates(server: Server, direct: Program) -> Rates:
    """Of all sides, after a round that only warms up."""
    found = Rates([], [], [])
    for number in range(ROUNDS + 1):
        asked = prompts(number, JOBS)
        alone = ask(direct, asked)
        found.async_llm.append(alone["tokens"] / alone["seconds"])
        found.ours.append(rate(server, OURS, asked))
        found.ray_llm.append(rate(server, RAY_LLM, asked))
        told = ", ".join(f"{name} {side[-1]:.0f} tok/s" for name, side in found._asdict().items())
        print(f"round {number}  {told}", flush=True)
    return Rates(*(side[1:] for side in found))


def firsts(server: Server) -> Firsts:
    """Of both that stream, after a pair that only warms up."""
    found = Firsts([], [])
    for number in range(FIRST_TOKENS + 1):
        (prompt,) = prompts(1000 + number, 1)
        for side, times in ((OURS, found.ours), (RAY_LLM, found.ray_llm)):
            sleep(IDLE_S)
            times.append(first_s(server, side, prompt) * 1000)
        print(
            f"pair {number}  heliograph {found.ours[-1]:.0f} ms, ray.serve.llm {found.ray_llm[-1]:.0f} ms", flush=True
        )
    return Firsts(*(side[1:] for side in found))


def result(rates: Rates, firsts: Firsts) -> dict[str, Any]:
    """The comparisons, each a median, with their spreads and all figures."""
    spreads = {
        "first_token_vs_ray_llm_ms": differences(firsts.ours, firsts.ray_llm),
        "tokens_vs_async_llm": ratios(rates.ours, rates.async_llm),
        "tokens_vs_ray_llm": ratios(rates.ours, rates.ray_llm),
    }
    return {
        **{name: round(spread.median, 3) for name, spread in spreads.items()},
        "least_to_greatest": {name: [round(s.least, 3), round(s.greatest, 3)] for name, s in spreads.items()},
        "tokens_per_s": {name: [round(rate) for rate in side] for name, side in rates._asdict().items()},
        "first_ms": {name: [round(time) for time in side] for name, side in firsts._asdict().items()},
    }


@contextmanager
def cluster() -> Iterator[Server]:
    """The platform as `configs/event-driven.yaml` has it but for the model, with `ray.serve.llm` beside it."""
    config = yaml.safe_load((CONFIGS / "event-driven.yaml").read_text().replace(CONFIGURED, MODEL))
    config["applications"].append(application("ray_llm", "/ray-llm", model=MODEL))
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        file = Path(folder) / "model-streams.yaml"
        file.write_text(yaml.safe_dump(config))
        with serve(file) as server:
            server.check_haproxy()
            yield server


def main() -> None:
    """Print every figure, then the result."""
    add_model(MODEL)
    with cluster() as server, running([sys.executable, "-m", "benchmarks.direct", MODEL]) as direct:
        direct.line("ready", within_s=START_S)
        print(json.dumps(result(rates(server, direct), firsts(server))))


if __name__ == "__main__":
    main()
