import asyncio
from collections.abc import Sequence

import pytest

from actors.sharding import ShardedCoalescer, by_shard, home_of, place_of
from pipelines.errors import TransientError
from tests.factories import make_ports


def test_a_tenant_is_at_home_where_it_was_ever_since() -> None:
    assert [home_of(tenant, 8) for tenant in ("default", "acme", "zoë", "")] == [2, 1, 2, 4]
    assert {home_of("acme", 1), home_of("default", 1)} == {0}


def test_tenants_are_spread_evenly() -> None:
    homes = [home_of(f"tenant-{number}", 8) for number in range(8000)]
    assert all(900 <= homes.count(shard) <= 1100 for shard in range(8))


def test_an_id_names_its_shard_and_what_is_no_id_names_the_first() -> None:
    shards = range(2)
    assert place_of("resp_" + "01" + "0" * 26, shards) == 1
    assert place_of("resp_" + "zz" + "0" * 26, shards) == 0
    assert place_of("nonsense", shards) == 0


async def test_a_batch_is_split_sent_at_once_and_answered_in_order() -> None:
    met = asyncio.Barrier(2)

    async def call(shard: int, group: Sequence[int]) -> list[str]:
        await asyncio.wait_for(met.wait(), 5)
        return [f"{shard}:{each}" for each in group]

    assert await by_shard([1, 2, 3, 4, 5], lambda each: each % 2, call) == ["1:1", "0:2", "1:3", "0:4", "1:5"]


async def test_a_shard_that_fails_is_told_when_all_others_are_through() -> None:
    done: list[int] = []

    async def call(shard: int, group: Sequence[int]) -> list[int]:
        if shard == 0:
            raise TransientError("away")
        await asyncio.sleep(0)
        done.extend(group)
        return list(group)

    with pytest.raises(TransientError):
        await by_shard([0, 1, 2, 3], lambda each: each % 2, call)
    assert done == [1, 3]


async def test_a_shard_that_does_not_answer_keeps_no_other_waiting() -> None:
    never = asyncio.Event()

    async def apply(commands: list[int]) -> list[int]:
        if commands[0] % 2:
            await never.wait()
        return commands

    coalescer = ShardedCoalescer(apply, shard=lambda each: each % 2, name="test", ports=make_ports())
    stuck = asyncio.ensure_future(coalescer.do([1]))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(coalescer.do([2, 4]), 5) == [2, 4]
    both = asyncio.ensure_future(coalescer.do([6, 7, 8]))
    never.set()
    assert await asyncio.wait_for(both, 5) == [6, 7, 8]
    assert await stuck == [1]
