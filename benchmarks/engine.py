"""What the whole path costs on a real model, beside vLLM's `AsyncLLM` in a process of its own.

Both engines are loaded, with the same arguments, and take turns. (1) 64 jobs of 64 tokens at once: tokens per second,
ours from the first request until the last result is stored. (2) On the idle system, one job at a time: from the POST
until the first token is read on the job's stream, and from the call until the engine's first token.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

import httpx
import uvloop

from benchmarks.first_token import Client
from benchmarks.journal_file import JournalFile, open_journal_file
from benchmarks.load import post, send
from benchmarks.program import Program, running
from benchmarks.ratios import differences, ratios
from benchmarks.server import START_S, Server, serve
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


async def rates(server: Server, journal: JournalFile, direct: Program) -> tuple[list[float], list[float]]:
    """Tokens per second of both sides by round, after a round that only warms up."""
    ours, theirs = [], []
    for number in range(ROUNDS + 1):
        answer = ask(direct, prompts(number, JOBS))
        theirs.append(answer["tokens"] / answer["seconds"])
        ours.append(await platform_rate(server, journal, prompts(number, JOBS)))
        print(f"round {number}  AsyncLLM {theirs[-1]:.0f} tok/s, heliograph {ours[-1]:.0f} tok/s", flush=True)
    return ours[1:], theirs[1:]


async def first_tokens(server: Server, direct: Program) -> tuple[list[float], list[float]]:
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
    return ours[1:], theirs[1:]


async def measure(server: Server, direct: Program) -> dict[str, Any]:
    """All figures. Raises RuntimeError where a job has no result."""
    with open_journal_file(server.data) as journal:
        ours, theirs = await rates(server, journal, direct)
        our_firsts, their_firsts = await first_tokens(server, direct)
        if journal.failed():
            raise RuntimeError(f"{journal.failed()} jobs have no result")
    ratio, added = ratios(ours, theirs), differences(our_firsts, their_firsts)
    return {
        "vs_async_llm": round(ratio.median, 3),
        "first_token_added_ms": round(added.median, 1),
        "least_to_greatest": {
            "vs_async_llm": [round(ratio.least, 3), round(ratio.greatest, 3)],
            "first_token_added_ms": [round(added.least, 1), round(added.greatest, 1)],
        },
        "tokens_per_s": {"heliograph": [round(r) for r in ours], "async_llm": [round(r) for r in theirs]},
    }


def main() -> None:
    """Print every figure, then the result."""
    add_model(MODEL)
    with (
        serve(CONFIGS / "event-driven.yaml") as server,
        running([sys.executable, "-m", "benchmarks.direct", MODEL]) as direct,
    ):
        server.check_haproxy()
        direct.line("ready", within_s=START_S)
        print(json.dumps(uvloop.run(measure(server, direct))))


if __name__ == "__main__":
    main()
