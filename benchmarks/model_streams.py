"""Streams of a real model with readers over HTTP, beside `ray.serve.llm` and beside vLLM's `AsyncLLM` alone.

All load the same model with the same arguments. Two at a time are there and take turns; who is not at turn is idle.
`ray.serve.llm` is as it comes, in a cluster of its own behind Serve's own proxy. `AsyncLLM` is a process of its own
without readers.
(1) 64 streams of 64 tokens at once: tokens per second, from the first request to the last stream's end. (2) On the idle
system, one stream at a time: from the request to the first token of ours, and to the first chunk of theirs.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from time import sleep
from typing import Any, NamedTuple

import uvloop

from benchmarks.engine import IDLE_S, JOBS, TOKENS, ask, prompts
from benchmarks.load import post
from benchmarks.program import Program, running
from benchmarks.ratios import Pairs, compared
from benchmarks.ray_llm_server import ROUTE
from benchmarks.server import START_S, free_port, serve, with_model
from benchmarks.sse import Stream, read
from configs.settings import CONFIGS
from heliograph.models import add_model

MODEL = "smollm2-135m-instruct-bf16"  # as engines compute on GPUs; the faster the engine, the more the rest shows
CONFIGURED = "smollm2-135m-instruct"
ROUNDS = 9
FIRST_TOKENS = 20
Turn = Callable[[Sequence[str]], float]  # what a side makes of prompts
_numbers = count()  # of prompt lists


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


def streams(port: int, side: Side, prompts: Sequence[str]) -> list[Stream]:
    """What readers of these prompts got, all at once."""
    requests = [side.request(prompt) for prompt in prompts]
    return uvloop.run(read(port, requests, connections=len(requests), marker=side.marker))


def rate(port: int, side: Side, prompts: Sequence[str]) -> float:
    """Tokens per second."""
    found = streams(port, side, prompts)
    seconds = max(stream.ended for stream in found) - min(stream.started for stream in found)
    return sum(tokens_of(stream, side.tokens) for stream in found) / seconds


def first_ms(port: int, side: Side, prompts: Sequence[str]) -> float:
    """Milliseconds to what counts as the first of one stream."""
    (stream,) = streams(port, side, prompts)
    return (stream.first - stream.started) * 1000


def async_rate(direct: Program, prompts: Sequence[str]) -> float:
    """Tokens per second of the engine alone."""
    answer = ask(direct, prompts)
    return answer["tokens"] / answer["seconds"]


def compare(ours: Turn, theirs: Turn, asks: Iterable[list[str]], *, pause_s: float = IDLE_S) -> Pairs:
    """Each prompt list is a turn of both sides, who begin by turns; the first one only warms up.

    Before each turn is a pause of so many seconds, in which the other side comes to rest.
    """
    found = Pairs([], [])
    for number, asked in enumerate(asks):
        sides = [(found.ours, ours), (found.theirs, theirs)]
        for figures, turn in reversed(sides) if number % 2 else sides:
            sleep(pause_s)
            figures.append(turn(asked))
        print(f"pair {number}  ours {found.ours[-1]:.0f}, theirs {found.theirs[-1]:.0f}", flush=True)
    return Pairs(found.ours[1:], found.theirs[1:])


def many() -> Iterator[list[str]]:
    """The prompts of all rounds; nobody is asked one twice."""
    return (prompts(next(_numbers), JOBS) for _ in range(ROUNDS + 1))


def single() -> Iterator[list[str]]:
    """One prompt at a time."""
    return (prompts(next(_numbers), 1) for _ in range(FIRST_TOKENS + 1))


def measure(ours: int) -> dict[str, Pairs]:
    """All comparisons of the platform at this port."""
    with running(_program("direct")) as direct:
        direct.line("ready", within_s=START_S)
        found = {"tokens_vs_async_llm": compare(partial(rate, ours, OURS), partial(async_rate, direct), many())}
    theirs = free_port()
    with running(_program("ray_llm_server", str(theirs))) as peer:
        peer.line("ready", within_s=START_S)
        for name, figure, asks in (
            ("tokens_vs_ray_llm", rate, many()),
            ("first_token_vs_ray_llm_ms", first_ms, single()),
        ):
            found[name] = compare(partial(figure, ours, OURS), partial(figure, theirs, RAY_LLM), asks)
    return found


def _program(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}", MODEL, *arguments]


def main() -> None:
    """Print every figure, then the result."""
    add_model(MODEL)
    event_driven = CONFIGS / "event-driven.yaml"
    with with_model(event_driven, MODEL, instead_of=CONFIGURED) as config, serve(config) as server:
        server.check_haproxy()
        print(json.dumps(compared(measure(server.port))))


if __name__ == "__main__":
    main()
