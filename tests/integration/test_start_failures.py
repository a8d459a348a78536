"""What Serve says and does about replicas that crash at their start."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray import serve

from deployments.autoscaling import RayNews
from tests.integration.failing_starts import MOST, application
from tests.servers import until

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]
NAME = "fragile"


@pytest.fixture
def needed(tmp_path: Path) -> Iterator[Path]:
    """The file that an application needs, which runs and has no replica yet."""
    file = tmp_path / "needed"
    serve.start(proxy_location="Disabled")
    serve.run(application(NAME, file), name=NAME, route_prefix=None)
    yield file
    serve.shutdown()


def starts_fail() -> bool | None:
    return asyncio.run(RayNews().starts_fail(NAME, NAME))


def replicas() -> dict[str, int]:
    states: dict[str, int] = serve.status().applications[NAME].deployments[NAME].replica_states
    return states


def test_starts_that_crash_are_told_and_tried_again(needed: Path) -> None:
    until(starts_fail, seconds=120, what="starts that crash")
    until(lambda: replicas().get("STARTING") == MOST and not starts_fail(), seconds=120, what="another try")
    until(starts_fail, seconds=120, what="another crash")
    needed.touch()
    until(lambda: replicas().get("RUNNING") == MOST, seconds=120, what="three replicas")
    assert not starts_fail()
