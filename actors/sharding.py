"""Which shard has what. A tenant is whole in one, by its name; what is made for it has an id that names the shard."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence, Sized
from functools import lru_cache
from typing import Any, Generic, TypeVar

from actors.coalescer import Coalescer
from events.ids import named_shard
from pipelines.ports import Ports

C = TypeVar("C")
A = TypeVar("A")


@lru_cache(maxsize=10_000)
def home_of(tenant: str, shards: int) -> int:
    """The tenant's shard: the same in every process and for all time."""
    return int.from_bytes(hashlib.blake2b(tenant.encode(errors="replace"), digest_size=8).digest()) % shards


def place_of(identifier: str, parts: Sized) -> int:
    """Which of these shards an id names; the first one for an id that is none of ours."""
    shard = named_shard(identifier)
    return shard if shard < len(parts) else 0


async def by_shard(
    batch: Sequence[C], shard: Callable[[C], int], call: Callable[[int, Sequence[C]], Awaitable[Sequence[A]]]
) -> list[A]:
    """Give each shard its own, all at the same time; the answers are in the order of the batch.

    All are waited for, also where one raises: then that is raised, the lowest shard's first.
    """
    places: dict[int, list[int]] = {}
    for place, each in enumerate(batch):
        places.setdefault(shard(each), []).append(place)
    if len(places) == 1:
        return list(await call(next(iter(places)), batch))
    groups = sorted(places.items())
    replies = await together([call(number, [batch[place] for place in group]) for number, group in groups])
    answers = {
        place: answer
        for (_, group), reply in zip(groups, replies, strict=True)
        for place, answer in zip(group, reply, strict=True)
    }
    return [answers[place] for place in range(len(batch))]


async def together(calls: Sequence[Awaitable[A]]) -> list[A]:
    """What each gives. All are waited for; raises the first error."""
    replies = await asyncio.gather(*calls, return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return replies  # type: ignore[return-value]  # no exception is among them


class ShardedCoalescer(Generic[C, A]):
    """A coalescer for each shard, so that none waits for another's. `shard` says whose a command is."""

    def __init__(
        self, apply: Callable[[list[C]], Awaitable[list[A]]], *, shard: Callable[[C], int], name: str, ports: Ports
    ) -> None:
        self._apply = apply
        self._shard = shard
        self._name = name
        self._ports = ports
        self._coalescers: dict[int, Coalescer[C, A]] = {}

    def do(self, commands: Sequence[C]) -> Coroutine[Any, Any, list[A]]:
        """See `Coalescer.do`."""
        if len(commands) == 1:
            return self._of(self._shard(commands[0])).do(commands)
        return by_shard(commands, self._shard, lambda shard, group: self._of(shard).do(group))

    def _of(self, shard: int) -> Coalescer[C, A]:
        found = self._coalescers.get(shard)
        if found is None:
            found = self._coalescers[shard] = Coalescer(self._apply, name=self._name, ports=self._ports)
        return found
