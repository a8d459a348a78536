"""What durable streams cost: the token log alone, streams of the scripted engine, a crowd of readers, a real model.

Each part is a benchmark of its own, in a process of its own, one after the other; see their modules.
"""

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.parts import run

PARTS = ("chunks", "event_rate", "crowd", "model_streams")


def result(parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures that are wanted, and all that the parts tell."""
    wanted = {
        "first_token_vs_ray_llm_ms": "model_streams",
        "tokens_vs_async_llm": "model_streams",
        "tokens_vs_ray_llm": "model_streams",
        "chunks_per_s": "chunks",
        "sse_vs_noop": "event_rate",
    }
    return {**{key: parts[part][key] for key, part in wanted.items()}, "parts": dict(parts)}


def main() -> None:
    """Print what the parts print, then the result."""
    print(json.dumps(result({part: run(part) for part in PARTS})))


if __name__ == "__main__":
    main()
