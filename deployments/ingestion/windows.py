"""How much of their logs the feeds of a process may keep for their readers, each and together.

Invariant: neither limit is passed for longer than one call. A feed that is full drops its own first entry; when all
together are full, the one that has grown last the longest ago drops its first.
"""

from collections import OrderedDict
from typing import Protocol

FEED_BYTES = 1 << 20
ALL_BYTES = 64 << 20


class Keeper(Protocol):
    """A feed: how many bytes it keeps, and how it forgets the first of them."""

    size: int

    def drop(self) -> None:
        """Forget the first entry."""


class Windows:
    """The budget of one process."""

    def __init__(self, *, feed_bytes: int = FEED_BYTES, all_bytes: int = ALL_BYTES) -> None:
        self.size = 0
        self._feed_bytes = feed_bytes
        self._all_bytes = all_bytes
        self._keepers: OrderedDict[Keeper, None] = OrderedDict()  # that keep something, by their last growth

    def grown(self, keeper: Keeper, size: int) -> None:
        """A feed keeps so many bytes more than before."""
        self.size += size
        self._keepers[keeper] = None
        self._keepers.move_to_end(keeper)
        while keeper.size > self._feed_bytes:
            self._drop(keeper)
        while self.size > self._all_bytes:
            self._drop(next(iter(self._keepers)))

    def leave(self, keeper: Keeper) -> None:
        """A feed that is no more."""
        if keeper in self._keepers:
            del self._keepers[keeper]
            self.size -= keeper.size

    def _drop(self, keeper: Keeper) -> None:
        before = keeper.size
        keeper.drop()
        self.size -= before - keeper.size
        if not keeper.size:
            del self._keepers[keeper]
