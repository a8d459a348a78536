"""How a handle to a shared actor bears with it; the actor is a plain object that answers as Ray's do."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from actors.remotes import PATIENCE_S, RemoteActor
from actors.stores import StoreUnavailableError
from tests.factories import ManualClock, make_ports


def remote(clock: ManualClock, answer: Callable[[], str | Exception]) -> RemoteActor:
    async def ask() -> str:
        clock.time += 1
        given = answer()
        if isinstance(given, Exception):
            raise given
        return given

    actor = RemoteActor("journal-0", make_ports(clock))
    actor._actor = SimpleNamespace(info=SimpleNamespace(remote=ask))
    return actor


async def test_a_database_that_is_away_for_a_moment_is_waited_for() -> None:
    answers: Iterator[str | Exception] = iter([StoreUnavailableError("away"), StoreUnavailableError("away"), "here"])
    assert await remote(ManualClock(), lambda: next(answers)).call("info") == "here"


async def test_a_database_that_stays_away_is_told() -> None:
    clock = ManualClock()
    began = clock.time
    with pytest.raises(StoreUnavailableError):
        await remote(clock, lambda: StoreUnavailableError("away")).call("info", patience_s=2)
    assert clock.time - began < PATIENCE_S
