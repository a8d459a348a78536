"""How often garbage is looked for."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from actors.garbage import NEW_OBJECTS, collect_seldom


class Node:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_what_a_batch_holds_is_not_looked_through_again_and_again() -> None:
    collect_seldom()
    before = sum(generation["collections"] for generation in gc.get_stats())
    batch: list[list[int]] = [[n] for n in range(NEW_OBJECTS // 2)]
    assert sum(generation["collections"] for generation in gc.get_stats()) <= before + 1
    assert len(batch) == NEW_OBJECTS // 2


def test_cycles_go_all_the_same() -> None:
    collect_seldom()
    node = weakref.ref(Node())
    kept: list[list[int]] = [[n] for n in range(2 * NEW_OBJECTS)]
    assert node() is None
    assert kept
