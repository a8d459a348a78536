"""Planted bugs of shards: see `planted.py`."""

from collections.abc import Sequence
from typing import Any

from actors.sharded import ShardedJournal
from tests.simulation.parts import Kit


class Moving(ShardedJournal):
    """Each process has its own idea of where a tenant is at home."""

    def __init__(self, parts: Sequence[Any]) -> None:
        super().__init__(parts)
        self._moved: int = parts[0]._remote._caller.ports.random.randrange(len(parts))

    def home(self, tenant: str) -> int:
        return (super().home(tenant) + self._moved) % len(self.parts)


def bugs() -> dict[str, tuple[str, Kit]]:
    """By name: the violation, and the kit."""
    return {"a tenant whose home is not the same everywhere": ("shard", Kit(sharded=Moving))}
