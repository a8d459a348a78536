"""What clients of a simulated world want of vector stores: files to index, some of them bad, and second thoughts."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

STORES = 0.1  # worlds in which files are indexed
SLOW = 0.4  # stores with two files over which the encoder takes its time
SLOWLY = "slowly"  # how the text of such a file begins
MANY_WORDS = 700  # more chunks than are written together


class FileWish(NamedTuple):
    """A file, and whether it can be indexed."""

    name: str
    content: bytes
    fails: bool


class StoreWish(NamedTuple):
    """A store whose client attaches all files, then does its deeds: the seconds before each, what, to which file."""

    files: tuple[FileWish, ...]
    at_once: int  # files that the store is made with
    deeds: tuple[tuple[float, str, int], ...]
    deletes: bool  # the store, in the end


def make_store_wishes(random: Random) -> list[StoreWish]:
    """What the clients of one world want; mostly none."""
    if random.random() >= STORES:
        return []
    return [_wish(number, random) for number in range(random.choice((1, 1, 2)))]


def _wish(store: int, random: Random) -> StoreWish:
    number = random.choice((1, 3, 5, 8))
    slow = random.sample(range(number), 2) if number > 2 and random.random() < SLOW else []
    deeds = [
        (2 * random.random(), random.choice(_DEEDS), random.randrange(number)) for _ in range(random.choice(_MANY))
    ]
    return StoreWish(
        tuple(_file(f"store {store} file {each}", random, slow=each in slow) for each in range(number)),
        at_once=random.randint(0, number),
        deeds=(*((random.random(), "detach", each) for each in slow[:1]), *deeds),
        deletes=random.random() < 0.2,
    )


def _file(name: str, random: Random, *, slow: bool) -> FileWish:
    _, fault, fails = random.choices(_KINDS, [kind[0] for kind in _KINDS])[0]
    words = MANY_WORDS if random.random() < 0.05 else random.randint(1, 40)
    first = SLOWLY if slow else "quickly"
    text = " ".join([first, *(f"word-{each}" for each in range(words))])
    return FileWish(name, f"{json.dumps(fault)}\n{text}".encode(), fails)


_MANY = (0, 1, 1, 2, 4)
_DEEDS = ("detach", "detach", "delete", "attach", "attach", "recut", "cancel")
_KINDS: Sequence[tuple[int, dict[str, Any], bool]] = (  # weight, what its conversion suffers, whether it fails
    (20, {}, False),
    (2, {"fault": "reject"}, True),
    (2, {"fault": "raise"}, True),
    (2, {"fault": "raise", "attempts": 2}, False),
    (2, {"fault": "busy", "attempts": 2}, False),
    (1, {"fault": "exit", "attempts": 1}, False),
)
