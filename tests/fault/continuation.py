"""`python -m tests.fault.continuation`: kill -9 of vLLM's engine core at every tenth token of a real stream.

One request at a time, float32, temperature 0. The text must be that of the undisturbed run, on the connection that
the client had, with the same events. The last line is JSON: how many cuts there were, and how many gave the same.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from configs.settings import CONFIGS
from heliograph.models import add_model
from tests.fault.follower import Follower
from tests.servers import ServerProcess

MODEL = "smollm2-135m-instruct"
ENGINE = "VLLM::EngineCore"
EVERY = 10
BODY: dict[str, Any] = {
    "model": MODEL,
    "input": "Repeat this text three times, word for word: Crème brûlée à Zürich 🌞 你好世界 ¡señor! 🚀 こんにちは",
    "max_output_tokens": 80,
    "temperature": 0,
    "background": True,
    "stream": True,
    "include": ["message.output_text.logprobs"],  # one for each token, where a piece of text can be several
}


def undisturbed(server: ServerProcess) -> Follower:
    """The run that all others must equal."""
    follower = Follower(server, BODY)
    for _ in follower:
        pass
    return follower


def disturbed(server: ServerProcess, cut: int) -> Follower:
    """A run whose engine is killed once so many tokens were told."""
    follower = Follower(server, BODY)
    seen, killed = 0, False
    for event in follower:
        seen += told(event)
        if seen >= cut and not killed:
            server.kill(ENGINE)
            killed = True
    return follower


def told(event: dict[str, Any]) -> int:
    """How many tokens an event tells."""
    return len(event["logprobs"]) if event["type"] == "response.output_text.delta" else 0


def same(whole: Follower, run: Follower) -> bool:
    """Whether a run told what the undisturbed one did; pieces of text may be cut otherwise."""
    ends = [follower.events[-1]["response"] for follower in (whole, run)]
    usages = [end["usage"] for end in ends]
    return (run.text, run.connections, ends[1]["status"], usages[1]["output_tokens"]) == (
        whole.text, 1, ends[0]["status"], usages[0]["output_tokens"],
    )  # fmt: skip


@contextmanager
def real_server(folder: Path) -> Iterator[ServerProcess]:
    """The event-driven wiring with a real model."""
    add_model(MODEL)
    server = ServerProcess(CONFIGS / "event-driven.yaml", folder / "data", model=MODEL)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def main() -> int:
    """Zero where all cuts gave the undisturbed run."""
    with tempfile.TemporaryDirectory() as folder, real_server(Path(folder)) as server:
        whole = undisturbed(server)
        print(f"undisturbed: {whole.text!r}")
        tokens = sum(told(event) for event in whole.events)
        results = {cut: same(whole, disturbed(server, cut)) for cut in range(EVERY, tokens, EVERY)}
    print(json.dumps({"cuts": len(results), "equal": sum(results.values()), "at": results}))
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
