"""How long `heliograph serve` takes until it accepts jobs, beside those who do less.

On a real model that is vLLM's engine alone, on the scripted engine an application of Serve's that does nothing. All
from the start of the process: the platform until its `ready` line, the engine until `AsyncLLM` is made, the other
application until it runs, on a Ray of its own with a dashboard, as ours has it.
"""

import argparse
import json
import sys
from collections.abc import Callable
from time import monotonic

from benchmarks.program import running
from benchmarks.ratios import Pairs, compared
from benchmarks.server import START_S, free_port, serve
from configs.settings import CONFIGS
from heliograph.models import add_model

MODEL = "smollm2-135m-instruct"


def platform_s(config: str) -> float:
    """Start the platform, and stop it."""
    with serve(CONFIGS / config) as server:
        return server.ready_s


def program_s(module: str, argument: str) -> float:
    """Start another program that says when it is ready, and stop it."""
    with running([sys.executable, "-m", f"benchmarks.{module}", argument]) as program:
        program.line("ready", within_s=START_S)
        return monotonic() - program.started


def measure(ours: Callable[[], float], theirs: Callable[[], float], pairs: int, names: str) -> Pairs:
    """Seconds of both sides, pair by pair."""
    found = Pairs([], [])
    for number in range(1, pairs + 1):
        found.theirs.append(theirs())
        found.ours.append(ours())
        print(f"pair {number}  {names}: {found.ours[-1]:.1f} s, {found.theirs[-1]:.1f} s", flush=True)
    return found


def main() -> None:
    """Print every start, then the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="starts of each side; a pair takes some minutes")
    pairs = parser.parse_args().pairs
    add_model(MODEL)
    found = {
        "scripted_vs_serve_noop": measure(
            lambda: platform_s("scripted.yaml"),
            lambda: program_s("noop_server", str(free_port())),
            pairs,
            "heliograph serve, scripted, and Serve's no-op",
        ),
        "serve_vs_async_llm": measure(
            lambda: platform_s("event-driven.yaml"),
            lambda: program_s("direct", MODEL),
            pairs,
            "heliograph serve and AsyncLLM",
        ),
    }
    print(json.dumps(compared(found, digits=1)))


if __name__ == "__main__":
    main()
