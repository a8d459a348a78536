"""What Ray's state API shows of a running server."""

from typing import Any

import pytest
from ray.util.state import list_actors

from actors.naming import NAMESPACE, TOPICS
from tests.integration.conftest import RayServer
from tests.servers import title_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

SHARED = {"journal-0", "tokens-0", TOPICS}
SERVE = "serve"  # the namespace of Serve's own actors and of our replicas


@pytest.fixture(scope="module")
def actors(elastic: RayServer) -> Any:
    """All that live, after a job has gone through."""
    assert elastic.finish(elastic.submit())["status"] == "completed"
    return list_actors(address=elastic.ray_address(), detail=True, filters=[("state", "=", "ALIVE")], limit=1000)


def test_the_shared_actors_and_queues_are_listed_by_their_names(actors: Any) -> None:
    assert {actor.name for actor in actors if actor.ray_namespace == NAMESPACE} == SHARED


def test_no_actor_is_without_a_name(actors: Any) -> None:
    assert all(actor.name for actor in actors)


def test_every_actor_is_ours_by_name_or_serves(actors: Any) -> None:
    assert {actor.ray_namespace for actor in actors} == {NAMESPACE, SERVE}


def test_the_shared_actors_outlive_drivers_and_placement_groups(actors: Any) -> None:
    shared = [actor for actor in actors if actor.ray_namespace == NAMESPACE]
    assert all(actor.is_detached and not actor.placement_group_id for actor in shared)


def test_nothing_reads_the_logs_for_drivers_that_print_none(elastic: RayServer) -> None:
    assert not elastic.find("log_monitor")


def test_no_worker_has_loaded_pandas(elastic: RayServer) -> None:
    workers = elastic.find("ray::")
    assert any("ServeReplica" in title_of(worker) for worker in workers)
    assert [title_of(each) for each in workers if any("/pandas/" in file.path for file in each.memory_maps())] == []
