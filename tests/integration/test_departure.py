"""A replica on a real Serve hears that it has to leave while it still has a request, which Serve waits for."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ray import serve

from configs.settings import HistorySettings
from deployments.departure import Departure, leaving_options

pytestmark = pytest.mark.ray


class Host:
    """Its request ends when the replica leaves."""

    async def __init__(self, drain_s: float) -> None:  # type: ignore[misc]  # Serve awaits it
        self._staying = asyncio.Event()
        self._within_s = asyncio.get_running_loop().create_future()
        self._departure = Departure(self._leave, drain_s=drain_s)

    async def stay(self) -> float:
        """The seconds that the replica had for leaving, when it leaves."""
        self._staying.set()
        within_s: float = await self._within_s
        return within_s

    async def staying(self) -> None:
        """Returns when there is such a request."""
        await self._staying.wait()

    async def _leave(self, within_s: float, served: asyncio.Event) -> None:
        assert not served.is_set()
        self._within_s.set_result(within_s)
        await served.wait()

    async def __del__(self) -> None:
        await self._departure.complete()


@pytest.fixture
def serving(ray_cluster: None) -> Iterator[None]:
    del ray_cluster
    serve.start(proxy_location="Disabled")
    yield
    serve.shutdown()


def test_a_replica_hears_that_it_has_to_leave_before_its_requests_have_ended(serving: None) -> None:
    del serving
    settings = HistorySettings(drain_s=20)
    options = {**leaving_options(settings), "max_ongoing_requests": 10}
    handle = serve.run(serve.deployment(Host, **options).bind(settings.drain_s), name="host", route_prefix=None)
    request = handle.stay.remote()
    handle.staying.remote().result(timeout_s=60)
    with ThreadPoolExecutor(1) as pool:
        deleted = pool.submit(serve.delete, "host")
        assert request.result(timeout_s=60) == settings.drain_s
        deleted.result(60)
