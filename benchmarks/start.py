"""How long `heliograph serve` takes until it accepts jobs on a real model, beside vLLM's engine alone.

Both from the start of the process: the platform until its `ready` line, the engine until `AsyncLLM` is made.
"""

import argparse
import json
import sys
from time import monotonic

from benchmarks.program import running
from benchmarks.ratios import ratios
from benchmarks.server import START_S, serve
from configs.settings import CONFIGS
from heliograph.models import add_model

MODEL = "smollm2-135m-instruct"


def platform_s() -> float:
    """Start the platform, and stop it."""
    with serve(CONFIGS / "event-driven.yaml") as server:
        return server.ready_s


def engine_s() -> float:
    """Start the engine, and stop it."""
    with running([sys.executable, "-m", "benchmarks.direct", MODEL]) as program:
        program.line("ready", within_s=START_S)
        return monotonic() - program.started


def main() -> None:
    """Print every start, then the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="starts of each side; a pair takes some minutes")
    pairs = parser.parse_args().pairs
    add_model(MODEL)
    ours, theirs = [], []
    for number in range(1, pairs + 1):
        theirs.append(engine_s())
        ours.append(platform_s())
        print(f"pair {number}  AsyncLLM {theirs[-1]:.1f} s, heliograph serve {ours[-1]:.1f} s", flush=True)
    spread = ratios(ours, theirs)
    result = {
        "serve_vs_async_llm": round(spread.median, 3),
        "least_to_greatest": [round(spread.least, 3), round(spread.greatest, 3)],
        "serve_s": [round(s, 1) for s in ours],
        "async_llm_s": [round(s, 1) for s in theirs],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
