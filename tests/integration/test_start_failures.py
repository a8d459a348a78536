"""What Serve says of replicas that crash at their start, which nothing but its words tells."""

import asyncio
from collections.abc import Iterator

import pytest
from ray import serve
from ray.serve import Application

from deployments.autoscaling import RayNews

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


class Sound:
    """Starts."""


class Broken:
    """Does not."""

    def __init__(self) -> None:
        raise RuntimeError("no such model")


def application(kind: type, name: str) -> Application:
    return serve.deployment(kind, name=name, ray_actor_options={"num_cpus": 0.1}).bind()


@pytest.fixture(autouse=True)
def _applications() -> Iterator[None]:
    serve.start(proxy_location="Disabled")
    serve.run(application(Sound, "sound"), name="sound", route_prefix=None)
    with pytest.raises(RuntimeError, match="broken"):
        serve.run(application(Broken, "broken"), name="broken", route_prefix=None)
    yield
    serve.shutdown()


def test_serve_tells_of_starts_that_crash() -> None:
    assert asyncio.run(RayNews().starts_fail("broken", "broken"))
    assert not asyncio.run(RayNews().starts_fail("sound", "sound"))
