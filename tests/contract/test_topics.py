"""What every topic must do: in one process, and at an actor."""

import asyncio
from collections.abc import Callable

import pytest

from actors.system import RandomIds, real_ports
from actors.topics.in_process import InProcessTopics
from actors.topics.protocol import Ticket, Topic

OpenTopic = Callable[[str], Topic]
MakeTopic = Callable[[int], Topic]


@pytest.fixture(params=["in_process", pytest.param("ray", marks=pytest.mark.ray)])
def make_topics(request: pytest.FixtureRequest) -> Callable[[int], OpenTopic]:
    if request.param == "in_process":
        return lambda size: InProcessTopics(size=size).topic
    request.getfixturevalue("ray_cluster")
    return _remote


@pytest.fixture
def make_topic(make_topics: Callable[[int], OpenTopic]) -> MakeTopic:
    return lambda size: make_topics(size)("topic")


def _remote(size: int) -> OpenTopic:
    from actors.plane import Part, ensure_actors  # noqa: PLC0415 - imports Ray, as those that follow
    from actors.remotes import RemoteActor  # noqa: PLC0415
    from actors.shells import TopicsActor  # noqa: PLC0415
    from actors.topics.remote import RemoteTopic  # noqa: PLC0415

    ensure_actors([Part(TopicsActor, name := RandomIds().new("topics"), (size,))])
    return lambda topic: RemoteTopic(topic, RemoteActor(name, real_ports()))


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


async def test_each_topic_has_its_own_tickets(make_topics: Callable[[int], OpenTopic]) -> None:
    open_topic = make_topics(3)
    await open_topic("one").put(1)
    await open_topic("another").put(2, 1)
    assert [await open_topic("one").take(0.01) for _ in range(2)] == [Ticket(), None]
    assert await open_topic("another").take(0.01) == Ticket(1)
