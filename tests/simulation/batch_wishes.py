"""What clients of a simulated world want of batches: files of lines, some of which fail when run, and bad files."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from deployments.batching.lines import CHAT, EMBEDDINGS, RESPONSES
from tests.simulation.wishes import MUCH

BATCHES = 0.3  # worlds in which there are any
LONG_S = 3600.0
SHORT_S = (2.0, 15.0)
FAILING = "cannot be read"  # in a text: the encoder fails over it
ENCODER = "words"


class Line(NamedTuple):
    """A line, and whether it fails when it is run."""

    custom_id: str
    fails: bool


class BatchWish(NamedTuple):
    """One batch. `flaw` is the code of what is wrong with the file. `copies` are asked for at once, under the key."""

    endpoint: str
    content: bytes
    lines: tuple[Line, ...]
    flaw: str = ""
    window_s: float = LONG_S
    cancels: bool = False
    key: str = ""
    copies: int = 1


def make_batch_wishes(random: Random) -> list[BatchWish]:
    """What the clients of one world want; mostly none."""
    if random.random() >= BATCHES:
        return []
    return [_wish(number, random) for number in range(random.choice((1, 1, 1, 2)))]


def _wish(number: int, random: Random) -> BatchWish:
    endpoint = random.choice((CHAT, CHAT, RESPONSES, EMBEDDINGS))
    kinds = _TEXTS if endpoint == EMBEDDINGS else _SCRIPTS
    drawn = random.choices(kinds, [kind[0] for kind in kinds], k=random.choice((1, 3, 6, 6, 12, 24)))
    names = [f"batch {number} line {each + 1}" for each in range(len(drawn))]
    bodies = [_body(endpoint, name, kind[1]) for name, kind in zip(names, drawn, strict=True)]
    entries = [
        {"custom_id": name, "method": "POST", "url": endpoint, "body": body}
        for name, body in zip(names, bodies, strict=True)
    ]
    key = f"batch {number}" if random.random() < 0.4 else ""
    wish = BatchWish(
        endpoint,
        _written(entries),
        tuple(Line(name, kind[2]) for name, kind in zip(names, drawn, strict=True)),
        key=key,
        copies=random.choice((1, 2)) if key else 1,
        cancels=random.random() < 0.25,
        window_s=random.uniform(*SHORT_S) if random.random() < 0.25 else LONG_S,
    )
    return _spoiled(wish, entries, random) if random.random() < 0.12 else wish


def _spoiled(wish: BatchWish, entries: list[dict[str, Any]], random: Random) -> BatchWish:
    """The same with a bad file."""
    flaw, place = random.choice(_FLAWS), random.randrange(len(entries))
    match flaw:
        case "duplicate_custom_id":
            entries.append(entries[place])
        case "invalid_url":
            entries[place]["url"] = "/v1/moderations"
        case "model_not_found":
            entries[place]["body"] = {**entries[place]["body"], "model": "another"}
        case "empty_file":
            entries = []
    return wish._replace(content=_written(entries), flaw=flaw)


def _body(endpoint: str, name: str, script: dict[str, Any]) -> dict[str, Any]:
    text = f"Question of {name}" + script.get("text", "")
    if endpoint == EMBEDDINGS:
        return {"model": ENCODER, "input": text}
    said = {key: value for key, value in script.items() if key not in ("text", "most")}
    body = {"model": "scripted", "metadata": {"scripted": json.dumps(said)}}
    if endpoint == RESPONSES:
        return body | {"input": text} | ({"max_output_tokens": script["most"]} if "most" in script else {})
    most = {"max_completion_tokens": script["most"]} if "most" in script else {}
    return body | {"messages": [{"role": "user", "content": text}]} | most


def _written(entries: Sequence[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()


_FLAWS = ("duplicate_custom_id", "invalid_url", "model_not_found", "empty_file")
_Kind = tuple[int, dict[str, Any], bool]  # weight, script, whether it fails
_SCRIPTS: Sequence[_Kind] = (
    (30, {}, False),
    (15, {"tokens": 12, "delay_ms": 150}, False),
    (8, {"tokens": 320, "step": 40, "delay_ms": 200, "most": 400}, False),  # logged on the way
    (6, {"fail": "raise", "at": 3, "attempts": 2}, False),
    (3, {"fail": "raise", "at": 2}, True),
    (4, {"fail": "exit", "at": 5, "attempts": 1, "delay_ms": 10}, False),
    (2, {"fail": "hang", "at": 4, "attempts": 1}, False),
    (5, {"unknown": True}, True),  # the engine refuses it
    (3, {"text": " word" * 1100}, True),  # no prompt has room for it
    (3, {"text": MUCH}, False),
)
_TEXTS: Sequence[_Kind] = (
    (10, {}, False),
    (1, {"text": f" {FAILING}"}, True),
    (1, {"text": MUCH}, False),
)
