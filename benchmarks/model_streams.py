"""Streams of a real model with readers over HTTP, beside `ray.serve.llm` and beside vLLM's `AsyncLLM` alone.

All load the same model with the same arguments and take turns; who is not at turn is idle. `ray.serve.llm` is there
twice: as it comes, in a cluster of its own behind Serve's own proxy, and in our cluster behind our HAProxy. `AsyncLLM`
is a process of its own that has no readers.
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
from benchmarks.ray_llm_server import NAME, ROUTE
from benchmarks.server import START_S, free_port, serve
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
    path=f"{ROUTE}/v1/chat/completions",
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


class Ports(NamedTuple):
    """Where on this machine who listens."""

    ours: int  # HAProxy's; `ray.serve.llm` is there as well
    ray_llm: int  # Serve's own proxy, of the cluster with nothing else


def streams(port: int, side: Side, prompts: Sequence[str]) -> list[Stream]:
    """What readers of these prompts got, all at once."""
    requests = [side.request(prompt) for prompt in prompts]
    return uvloop.run(read(port, requests, connections=len(requests), marker=side.marker))


def rate(port: int, side: Side, prompts: Sequence[str]) -> float:
    """Tokens per second."""
    found = streams(port, side, prompts)
    seconds = max(stream.ended for stream in found) - min(stream.started for stream in found)
    return sum(tokens_of(stream, side.tokens) for stream in found) / seconds


def first_ms(port: int, side: Side, prompt: str) -> float:
    """Milliseconds to what counts as the first of one stream, on the idle system."""
    sleep(IDLE_S)
    (stream,) = streams(port, side, [prompt])
    return (stream.first - stream.started) * 1000


class Rates(NamedTuple):
    """Tokens per second by round."""

    ours: list[float]
    async_llm: list[float]
    ray_llm: list[float]
    ray_llm_behind_haproxy: list[float]


class Firsts(NamedTuple):
    """Milliseconds by pair."""

    ours: list[float]
    ray_llm: list[float]
    ray_llm_behind_haproxy: list[float]


def rates(ports: Ports, direct: Program) -> Rates:
    """Of all sides, after a round that only warms up."""
    found = Rates([], [], [], [])
    for number in range(ROUNDS + 1):
        asked = prompts(number, JOBS)
        alone = ask(direct, asked)
        found.async_llm.append(alone["tokens"] / alone["seconds"])
        found.ours.append(rate(ports.ours, OURS, asked))
        found.ray_llm.append(rate(ports.ray_llm, RAY_LLM, asked))
        found.ray_llm_behind_haproxy.append(rate(ports.ours, RAY_LLM, asked))
        print(f"round {number}  {_last(found)} tok/s", flush=True)
    return Rates(*(side[1:] for side in found))


def firsts(ports: Ports) -> Firsts:
    """Of all that stream, after a round that only warms up."""
    found = Firsts([], [], [])
    for number in range(FIRST_TOKENS + 1):
        (prompt,) = prompts(1000 + number, 1)
        found.ours.append(first_ms(ports.ours, OURS, prompt))
        found.ray_llm.append(first_ms(ports.ray_llm, RAY_LLM, prompt))
        found.ray_llm_behind_haproxy.append(first_ms(ports.ours, RAY_LLM, prompt))
        print(f"first {number}  {_last(found)} ms", flush=True)
    return Firsts(*(side[1:] for side in found))


def _last(figures: Rates | Firsts) -> str:
    return ", ".join(f"{name} {side[-1]:.0f}" for name, side in figures._asdict().items())


def result(rates: Rates, firsts: Firsts) -> dict[str, Any]:
    """The comparisons, each a median, with their spreads and all figures."""
    spreads = {
        "first_token_vs_ray_llm_ms": differences(firsts.ours, firsts.ray_llm),
        "first_token_vs_ray_llm_behind_haproxy_ms": differences(firsts.ours, firsts.ray_llm_behind_haproxy),
        "tokens_vs_async_llm": ratios(rates.ours, rates.async_llm),
        "tokens_vs_ray_llm": ratios(rates.ours, rates.ray_llm),
        "tokens_vs_ray_llm_behind_haproxy": ratios(rates.ours, rates.ray_llm_behind_haproxy),
    }
    return {
        **{name: round(spread.median, 3) for name, spread in spreads.items()},
        "least_to_greatest": {name: [round(s.least, 3), round(s.greatest, 3)] for name, s in spreads.items()},
        "tokens_per_s": {name: [round(rate) for rate in side] for name, side in rates._asdict().items()},
        "first_ms": {name: [round(time) for time in side] for name, side in firsts._asdict().items()},
    }


@contextmanager
def servers() -> Iterator[Ports]:
    """The platform as `configs/event-driven.yaml` has it but for the model, and `ray.serve.llm` beside it and alone."""
    config = yaml.safe_load((CONFIGS / "event-driven.yaml").read_text().replace(CONFIGURED, MODEL))
    config["applications"].append(application(NAME, ROUTE, model=MODEL))
    alone = free_port()
    with TemporaryDirectory(prefix="heliograph-bench-") as folder:
        file = Path(folder) / "model-streams.yaml"
        file.write_text(yaml.safe_dump(config))
        with serve(file) as server, running(_program("ray_llm_server", str(alone))) as peer:
            server.check_haproxy()
            peer.line("ready", within_s=START_S)
            yield Ports(ours=server.port, ray_llm=alone)


def _program(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}", MODEL, *arguments]


def main() -> None:
    """Print every figure, then the result."""
    add_model(MODEL)
    with servers() as ports, running(_program("direct")) as direct:
        direct.line("ready", within_s=START_S)
        print(json.dumps(result(rates(ports, direct), firsts(ports))))


if __name__ == "__main__":
    main()
