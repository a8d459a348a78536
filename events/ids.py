"""Identifiers that sort by time: a prefix, the shard, 48 bits of milliseconds, 80 random bits.

Within a shard ids grow with time, so inserts append to every index on them. The alphabet is Crockford's
base 32 in lower case: `resp_` + 2 characters of shard + 10 of time + 16 of chance.
"""

import functools
import re

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]  # ten bits at a time
ENTROPY_BYTES = 16  # of each, five bits count
_CHARACTERS = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
_SHARDS = {pair: shard for shard, pair in enumerate(_PAIRS)}
MAX_SHARDS = 1024
_NUMBER = 4  # characters at the end of a numbered id
_STEM = 28 - _NUMBER
LAST_NUMBER = 32**_NUMBER - 1
_BODY = re.compile(rf"[a-z]+_[{_ALPHABET}]{{28}}")


def make_id(prefix: str, *, shard: int, milliseconds: int, entropy: bytes) -> str:
    """The id for a moment (Unix time in milliseconds) and 16 random bytes."""
    return f"{prefix}_{_beginning(shard, milliseconds)}{entropy.translate(_CHARACTERS).decode()}"


def shard_of(identifier: str) -> int:
    """The shard that owns the object. Raises ValueError where the text is no id of ours."""
    if not is_id(identifier):
        raise ValueError(f"not an id: {identifier!r}")
    return named_shard(identifier)


def named_shard(identifier: str) -> int:
    """The shard that an id names; 0 for what is no id of ours, which no shard knows."""
    return _SHARDS.get(identifier.partition("_")[2][:2], 0)


def milliseconds_of(identifier: str) -> int:
    """When the id was made, as Unix time. Raises ValueError where the text is no id of ours."""
    if not is_id(identifier):
        raise ValueError(f"not an id: {identifier!r}")
    return _decode(identifier.partition("_")[2][2:12])


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id."""
    return _BODY.fullmatch(text) is not None


def derived_id(prefix: str, job_id: str, index: int = 0) -> str:
    """The id of a part of a job, the same in every process: `msg_…` of `resp_…`."""
    body = job_id.partition("_")[2]
    return f"{prefix}_{body}" if index == 0 else f"{prefix}_{body}{_encode(index, 2)}"


def numbered_id(prefix: str, whole: str, number: int) -> str:
    """The id of a part of something that has many, such as a line of a batch. Those of one whole sort by number."""
    return f"{prefix}_{whole.partition('_')[2][:_STEM]}{_encode(number, _NUMBER)}"


def number_of(identifier: str) -> int:
    """The number that `numbered_id` was given."""
    return _decode(identifier[-_NUMBER:])


@functools.lru_cache(maxsize=64)  # many ids are of one moment
def _beginning(shard: int, milliseconds: int) -> str:
    return f"{_encode(shard, 2)}{_encode(milliseconds, 10)}"


def _decode(digits: str) -> int:
    return functools.reduce(lambda value, digit: value * 32 + _ALPHABET.index(digit), digits, 0)


def _encode(value: int, characters: int) -> str:
    pairs = []
    for _ in range(characters // 2):
        pairs.append(_PAIRS[value & 1023])
        value >>= 10
    return "".join(reversed(pairs))
