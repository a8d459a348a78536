"""The shared actors through a deploy: left alone by the same version, replaced by another without a loss."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import ray

from actors.journal.limits import Limits
from actors.journal.protocol import NOWHERE
from actors.naming import NAMESPACE, journal_name, token_log_name
from actors.plane import ensure_actors, ensure_shards, shard_parts
from actors.remotes import RemoteJournal
from actors.shards import Where
from actors.stores import ShardCountError
from actors.system import real_ports
from pipelines.commands import Verdict
from tests.factories import job_id, submit

pytestmark = pytest.mark.ray
NAMES = (journal_name(), token_log_name())


@pytest.fixture(scope="module")
def folder(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: a cluster knows its store."""
    del ray_cluster
    return tmp_path_factory.mktemp("data")


async def deploy(folder: Path, *, level: str = "WARNING", backlog: int = 1_000_000) -> list[int]:
    """What the plane does at its start. The processes of journal and token log then."""
    limits, telemetry = Limits(backlog=backlog), {"log_level": level}
    parts = shard_parts(folder, Where(), places=NOWHERE, telemetry=telemetry, limits=limits)
    await asyncio.to_thread(ensure_actors, parts)
    actors = [await asyncio.to_thread(ray.get_actor, name, NAMESPACE) for name in NAMES]
    return list(await asyncio.gather(*(actor.ready.remote() for actor in actors)))


@asynccontextmanager
async def submitting(journal: RemoteJournal) -> AsyncIterator[list[int]]:
    """Somebody submits one job after another all the while. Gives the numbers of those that were accepted."""
    accepted: list[int] = []
    ended = asyncio.Event()

    async def client() -> None:
        for number in itertools.count():
            (answer,) = await journal.submit([submit(number)])
            assert answer.verdict is Verdict.DONE
            accepted.append(number)
            if ended.is_set():
                return

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client())
        yield accepted
        ended.set()


async def test_a_deploy_that_changes_nothing_leaves_the_actors_alone(folder: Path) -> None:
    assert await deploy(folder) == await deploy(folder)


async def test_an_actor_is_replaced_alone_where_only_its_settings_change(folder: Path) -> None:
    journal, tokens = await deploy(folder)
    epoch = (await RemoteJournal(journal_name(), real_ports()).info()).epoch
    other, same = await deploy(folder, backlog=2_000_000)
    assert other != journal
    assert same == tokens
    assert (await RemoteJournal(journal_name(), real_ports()).info()).epoch == epoch + 1


async def test_callers_of_a_replaced_journal_wait_and_lose_nothing(folder: Path) -> None:
    first = await deploy(folder)
    journal = RemoteJournal(journal_name(), real_ports())
    async with submitting(journal) as accepted:
        assert not set(first) & set(await deploy(folder, level="ERROR"))
        before = len(accepted)
    assert 0 < before < len(accepted)
    ids = [job_id(number) for number in accepted]
    assert None not in await journal.jobs("default", ids)


async def test_another_number_of_shards_is_refused_and_replaces_nothing(folder: Path) -> None:
    before = await deploy(folder)
    with pytest.raises(ShardCountError):
        await asyncio.to_thread(
            lambda: ensure_shards(folder, database="", places=NOWHERE, shards=2, telemetry={}, limits=Limits())
        )
    assert await deploy(folder) == before
