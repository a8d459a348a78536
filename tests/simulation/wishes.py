"""What clients of a simulated world want: jobs of many kinds, some under a key, some that kill their workers."""

import json
from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

LONG_S, SHORT_S = 3600.0, 6.0  # deadlines: one that nobody waits for, one that passes
POISON_S = 60.0  # where nobody knows of a worker's death, only the deadline ends the job that kills it
MUCH = "x" * 9000  # too much for the journal's own table


class Nature(StrEnum):
    """What is known beforehand of how a job must end."""

    ANY = "any"
    POISON = "poison"  # as a dead letter
    INNOCENT = "innocent"  # with a result


class Wish(NamedTuple):
    """One job. `copies` is how often it is asked for at once, under its key."""

    body: dict[str, Any]
    nature: Nature = Nature.ANY
    key: str = ""
    copies: int = 1
    cancels: bool = False
    redrives: int = 1  # racing ones, where it becomes a dead letter
    waits: bool = False  # in the foreground, for a while
    search: dict[str, Any] | None = None  # what befalls its search; None where it does not search


def make_wishes(random: Random, *, poisonous: bool) -> list[Wish]:
    """What the clients of one world want."""
    numbers = range(random.randint(3, 8))
    if not poisonous:
        return [_wish(number, random) for number in numbers]
    poison = set(random.sample(numbers, random.choice((1, 1, 2))))
    return [_poison(number) if number in poison else _innocent(number, random) for number in numbers]


def _wish(number: int, random: Random) -> Wish:
    if random.random() < 0.15:
        return Wish(_body(_asked(number), random.choice(_ENDLESS), LONG_S), waits=True)
    if random.random() < 0.25:
        return _searching(number, random)
    weights = [weight for weight, _, _ in _SCRIPTS]
    _, script, deadline_s = random.choices(_SCRIPTS, weights)[0]
    short = random.random() < 0.15
    body = _body(_asked(number, MUCH if random.random() < 0.1 else ""), script, deadline_s)
    if short:
        body["max_output_tokens"] = 4
    key = f"key {number}" if random.random() < 0.4 else ""
    copies = random.choice((1, 2, 3)) if key else 1
    return Wish(body, key=key, copies=copies, cancels=random.random() < 0.15, redrives=random.choice((1, 2)))


def _searching(number: int, random: Random) -> Wish:
    search: dict[str, Any] = {"rerank": random.choice(("best_effort", "best_effort", "required", "none"))}
    if random.random() < 0.6:
        search |= {"step": random.choice(("find", "rank")), "fault": random.choice(_MISHAPS)}
    if random.random() < 0.5:
        search["attempts"] = random.choice((1, 2))
    body = _body({"prompt": f"Question {number}"}, random.choice(_HARMLESS), LONG_S)
    return Wish(body, cancels=random.random() < 0.3, redrives=random.choice((1, 2)), search=search)


def _poison(number: int) -> Wish:
    return Wish(_body(_asked(number), {"fail": "exit", "at": 1}, LONG_S), Nature.POISON, redrives=0)


def _innocent(number: int, random: Random) -> Wish:
    return Wish(_body(_asked(number), random.choice(_HARMLESS), LONG_S), Nature.INNOCENT)


def _body(asked: dict[str, Any], script: dict[str, Any], deadline_s: float) -> dict[str, Any]:
    return {
        "model": "scripted",
        **asked,
        "metadata": {"scripted": json.dumps(script)},
        "deadline_s": deadline_s,
    }


def _asked(number: int, more: str = "") -> dict[str, Any]:
    """Something plain, or by a template, which prompting fills in."""
    if number % 2:
        return {"prompt": f"Question {number}{more}"}
    return {"template": "explain", "variables": {"topic": f"question {number}{more}", "audience": "a child"}}


_HARMLESS: Sequence[dict[str, Any]] = ({}, {"tokens": 12, "delay_ms": 150}, {"tokens": 40, "delay_ms": 20})
_MISHAPS = ("raise", "reject", "busy", "hang", "exit")
_ENDLESS: Sequence[dict[str, Any]] = ({"fail": "hang", "at": 1}, {"fail": "hang", "at": 4})
_SCRIPTS: Sequence[tuple[int, dict[str, Any], float]] = (  # weight, script, deadline
    (30, {}, LONG_S),
    (25, {"tokens": 12, "delay_ms": 150}, LONG_S),
    (10, {"tokens": 40, "delay_ms": 20}, LONG_S),
    (8, {"fail": "raise", "at": 3, "attempts": 2}, LONG_S),
    (4, {"fail": "raise", "at": 2}, LONG_S),
    (8, {"fail": "exit", "at": 5, "attempts": 1, "delay_ms": 10}, LONG_S),
    (3, {"fail": "exit", "at": 1}, POISON_S),
    (4, {"fail": "hang", "at": 4}, SHORT_S),
    (3, {"fail": "hang", "at": 4, "attempts": 2}, LONG_S),
    (4, {"tokens": 30, "delay_ms": 400}, SHORT_S),
    (4, {"unknown": True}, LONG_S),  # the engine refuses it
)
