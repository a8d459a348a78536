"""What the whole path costs on a real model, beside vLLM's `AsyncLLM` in a process of its own and `ray.serve.llm`.

Two engines at a time are loaded, with the same arguments, and take turns. (1) 64 jobs of 64 tokens at once: tokens per
second, ours from the first request until the last result is stored, those of `ray.serve.llm` until the last answer.
(2) On the idle system, one job at a time: from the POST until the first token is read on the job's stream, and from the
call until the engine's first token.
"""

import asyncio
import http.client
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import httpx
import uvloop

from benchmarks.arrivals import offer
from benchmarks.first_token import Client
from benchmarks.journal_file import JournalFile, open_journal_file
from benchmarks.load import post, send
from benchmarks.program import Program, running
from benchmarks.ratios import Pairs, compared
from benchmarks.ray_llm_server import ROUTE
from benchmarks.server import START_S, Server, free_port, serve
from configs.settings import CONFIGS
from heliograph.models import add_model

MODEL = "smollm2-135m-instruct"
ROUNDS = 5
JOBS = 64
TOKENS = 64
FIRST_TOKENS = 20
IDLE_S = 2.0  # before each first token: vLLM's processes spin for a second after their last one
TURN_S = 300


def prompts(number: int, count: int) -> list[str]:
    """Prompts that nobody has seen before, and whose answers are longer than anybody waits for."""
    return [f"Write a long story about a traveller and {n} islands. It begins in year {number}." for n in range(count)]


def body(prompt: str) -> dict[str, Any]:
    """The request for a prompt."""
    return {"model": MODEL, "prompt": prompt, "max_output_tokens": TOKENS, "temperature": 0}


def ask(direct: Program, prompts: Sequence[str]) -> dict[str, float]:
    """What the engine alone made of the prompts."""
    direct.say(json.dumps({"prompts": prompts, "max_tokens": TOKENS}))
    answer: dict[str, float] = json.loads(direct.line("ran ", within_s=TURN_S))
    return answer


async def platform_rate(server: Server, journal: JournalFile, prompts: Sequence[str]) -> float:
    """Tokens per second through the whole path."""
    before = journal.output_tokens()
    requests = [post("/async-generate", body(prompt)) for prompt in prompts]
    load = await send(server.port, requests, connections=len(requests))
    load.check(202)
    seconds = journal.wait(within_s=TURN_S) - load.started
    return (journal.output_tokens() - before) / seconds


async def engine_rate(direct: Program, prompts: Sequence[str]) -> float:
    """Tokens per second of the engine alone."""
    answer = ask(direct, prompts)
    return answer["tokens"] / answer["seconds"]


async def ray_llm_rate(port: int, prompts: Sequence[str]) -> float:
    """Tokens per second of `ray.serve.llm`. Raises RuntimeError where a request has no answer."""
    path = f"{ROUTE}/v1/chat/completions"
    asked = [{"role": "user", "content": prompt} for prompt in prompts]
    bodies = [{"model": MODEL, "messages": [message], "max_tokens": TOKENS, "temperature": 0} for message in asked]
    answers = await offer(port, [post(path, body) for body in bodies], repeat(0.0))
    if any(answer.status != http.HTTPStatus.OK for answer in answers):
        raise RuntimeError(f"ray.serve.llm answered {[answer.status for answer in answers]}")
    tokens = sum(json.loads(answer.body)["usage"]["completion_tokens"] for answer in answers)
    return float(tokens / (max(answer.ended for answer in answers) - answers[0].due))


async def rates(
    server: Server, journal: JournalFile, peer: Callable[[Sequence[str]], Awaitable[float]], first: int
) -> Pairs:
    """Tokens per second of both sides by round, after a round that only warms up."""
    ours, theirs = [], []
    for number in range(first, first + ROUNDS + 1):
        theirs.append(await peer(prompts(number, JOBS)))
        ours.append(await platform_rate(server, journal, prompts(number, JOBS)))
        print(f"round {number}  peer {theirs[-1]:.0f} tok/s, heliograph {ours[-1]:.0f} tok/s", flush=True)
    return Pairs(ours[1:], theirs[1:])


async def first_tokens(server: Server, direct: Program) -> Pairs:
    """Milliseconds to the first token of both sides, pair by pair, after a pair that only warms up."""
    ours, theirs = [], []
    async with httpx.AsyncClient(timeout=TURN_S) as http:
        client = Client(http, server.port)
        for number in range(FIRST_TOKENS + 1):
            (prompt,) = prompts(1000 + number, 1)
            await asyncio.sleep(IDLE_S)
            theirs.append(ask(direct, [prompt])["first_token_s"] * 1000)
            await asyncio.sleep(IDLE_S)
            ours.append(await client.first_token_s(body(prompt)) * 1000)
            print(f"pair {number}  AsyncLLM {theirs[-1]:.0f} ms, heliograph {ours[-1]:.0f} ms", flush=True)
    return Pairs(ours[1:], theirs[1:])


def measure(server: Server) -> dict[str, Pairs]:
    """All figures. Raises RuntimeError where a job has no result."""
    found: dict[str, Pairs] = {}
    with open_journal_file(server.data) as journal:
        with running([sys.executable, "-m", "benchmarks.direct", MODEL]) as direct:
            direct.line("ready", within_s=START_S)
            found["vs_async_llm"] = uvloop.run(rates(server, journal, partial(engine_rate, direct), first=0))
            found["first_token_added_ms"] = uvloop.run(first_tokens(server, direct))
        port = free_port()
        with running([sys.executable, "-m", "benchmarks.ray_llm_server", MODEL, str(port)]) as ray_llm:
            ray_llm.line("ready", within_s=START_S)
            found["vs_ray_llm"] = uvloop.run(rates(server, journal, partial(ray_llm_rate, port), first=100))
        if journal.failed():
            raise RuntimeError(f"{journal.failed()} jobs have no result")
    return found


def main() -> None:
    """Print every figure, then the result."""
    add_model(MODEL)
    with serve(CONFIGS / "event-driven.yaml") as server:
        server.check_haproxy()
        print(json.dumps(compared(measure(server))))


if __name__ == "__main__":
    main()
