import asyncio

import pytest

from actors.followers import SESSION_TTL_S, Followers
from tests.factories import ManualClock


async def test_a_new_key_is_answered_at_once_with_its_cursor() -> None:
    followers = Followers(ManualClock())
    followers.update("s", {"a": 7}, [])
    assert await followers.wait("s", 5) == {"a": 7}


async def test_news_wake_a_waiting_session_and_only_its_keys() -> None:
    followers = Followers(ManualClock())
    followers.update("s", {"a": 0}, [])
    await followers.wait("s", 5)
    waiting = asyncio.ensure_future(followers.wait("s", 5))
    await asyncio.sleep(0)
    followers.mark(["b", "a"])
    assert await waiting == {"a": 0}


async def test_a_key_with_more_to_read_comes_again() -> None:
    followers = Followers(ManualClock())
    followers.update("s", {"a": 0}, [])
    await followers.wait("s", 5)
    followers.advance("s", "a", 3, more=True)
    assert await followers.wait("s", 5) == {"a": 3}
    assert await followers.wait("s", 0) == {}


async def test_a_dropped_key_is_silent() -> None:
    followers = Followers(ManualClock())
    followers.update("s", {"a": 0, "b": 0}, ["a"])
    followers.update("s", {}, ["a"])
    followers.mark(["a", "b"])
    assert await followers.wait("s", 5) == {"b": 0}


async def test_a_session_that_polls_no_more_is_forgotten() -> None:
    clock = ManualClock()
    followers = Followers(clock)
    followers.update("gone", {"a": 0}, [])
    clock.time += SESSION_TTL_S + 1
    followers.update("s", {"a": 0}, [])
    followers.mark(["a"])
    assert await followers.wait("s", 5) == {"a": 0}
    with pytest.raises(KeyError):
        await followers.wait("gone", 0)
