"""What every topic must do: in one process, and on a Ray queue."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.system import RandomIds
from actors.topics.in_process import InProcessTopic
from actors.topics.protocol import Ticket, Topic

MakeTopic = Callable[[int], Topic]


@pytest.fixture(params=["in_process", pytest.param("ray", marks=pytest.mark.ray)])
def make_topic(request: pytest.FixtureRequest) -> MakeTopic:
    kind: Any = InProcessTopic
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
        from actors.topics.ray_queue import RayTopic  # noqa: PLC0415 - imports Ray

        kind = RayTopic
    return lambda size: kind(RandomIds().new("topic"), size=size)


async def test_a_ticket_put_is_a_ticket_taken(make_topic: MakeTopic) -> None:
    topic = make_topic(10)
    assert await topic.put(2) == 2
    assert [await topic.take(5), await topic.take(5), await topic.take(0.01)] == [Ticket(), Ticket(), None]


async def test_a_ticket_names_its_shard(make_topic: MakeTopic) -> None:
    topic = make_topic(10)
    await topic.put(1, 3)
    await topic.put(1, 0)
    assert [await topic.take(5), await topic.take(5)] == [Ticket(3), Ticket(0)]


async def test_a_waiting_taker_is_woken(make_topic: MakeTopic) -> None:
    topic = make_topic(10)
    taker = asyncio.ensure_future(topic.take(30))
    await asyncio.sleep(0)
    await topic.put(1)
    assert await taker


async def test_a_full_topic_drops_what_does_not_fit(make_topic: MakeTopic) -> None:
    topic = make_topic(3)
    await topic.put(3)
    assert await topic.put(1) == 0
    assert [await topic.take(0.01) for _ in range(4)] == [Ticket(), Ticket(), Ticket(), None]


async def test_more_than_it_can_ever_hold_is_cut(make_topic: MakeTopic) -> None:
    topic = make_topic(3)
    assert await topic.put(9) == 3


async def test_putting_nothing_opens_the_topic_and_leaves_it_empty(make_topic: MakeTopic) -> None:
    topic = make_topic(3)
    assert await topic.put(0) == 0
    assert not await topic.take(0.01)
