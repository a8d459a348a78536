"""What all tests share: one Ray cluster, and an environment without the developer's settings."""

import os

for name in [name for name in os.environ if name.startswith(("RAY_", "HELIOGRAPH_", "OTEL_", "VLLM_"))]:
    del os.environ[name]
os.environ.update(
    HF_HUB_OFFLINE="1",
    RAY_AUTH_MODE="disabled",
    RAY_DEDUP_LOGS="0",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_enable_metrics_collection="0",
)

from collections.abc import Generator, Iterator  # noqa: E402 - Ray reads its environment when it is imported
from typing import Any, cast  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from configs.settings import CONFIGS  # noqa: E402
from tests.postgres import PostgresServer  # noqa: E402
from tests.s3 import S3Server  # noqa: E402
from tests.servers import ServerProcess  # noqa: E402
from tests.vllm_server import VllmServer  # noqa: E402

SERVERS = {"event_driven", "microservices", "python_proxy", "monolith", "vllm_server"}
CHOOSING = ("server", "ingress", "wiring")
LAST = pytest.StashKey[dict[str, pytest.Item]]()  # the test after which nobody needs a server

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # other processes may hold the machine up


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make acceptance` and `make long` take the time for it."""
    parser.addoption("--long", action="store_true", help="also the tests for which `make test` has no time")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` has twenty minutes. A server takes a quarter of this machine even while it idles.

    So the modules that share one come first, and it ends with the last of their tests.
    """
    if not config.getoption("--long"):
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    sharing = {item.path for item in items if _servers_of(item)}
    items.sort(key=lambda item: item.path not in sharing)
    config.stash[LAST] = {name: item for item in items for name in _servers_of(item)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Stop what nobody needs any more; pytest itself would at the end of all tests."""
    yield
    for name in _servers_of(item):
        if item.config.stash[LAST][name] is item:
            for definition in item.session._fixturemanager.getfixturedefs(name, item) or ():
                definition.finish(cast("Any", item)._request)


def _servers_of(item: pytest.Item) -> set[str]:
    """The shared servers that a test needs: by name, or by that of a parameter of a fixture in CHOOSING."""
    ways: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return SERVERS & {*getattr(item, "fixturenames", ()), *(ways.get(name) for name in CHOOSING)}


@pytest.fixture(scope="session")
def event_driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`configs/scripted.yaml` on a Ray of its own."""
    yield from _serve("scripted.yaml", tmp_path_factory)


@pytest.fixture(scope="session")
def microservices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`configs/microservices.yaml` on a Ray of its own."""
    yield from _serve("microservices.yaml", tmp_path_factory)


@pytest.fixture(scope="session")
def python_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The same behind Serve's own proxy."""
    yield from _serve("scripted.yaml", tmp_path_factory, "--no-haproxy")


@pytest.fixture(scope="session")
def monolith(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`configs/monolith.yaml`."""
    yield from _serve("monolith.yaml", tmp_path_factory)


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """vLLM's own server around SmolLM2."""
    server = VllmServer(tmp_path_factory.mktemp("vllm") / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server."""
    server = S3Server()
    server.start()
    yield server
    server.remove()


def _serve(config: str, folders: pytest.TempPathFactory, *options: str) -> Iterator[ServerProcess]:
    server = ServerProcess(CONFIGS / config, folders.mktemp("server") / "data", model="scripted", options=options)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A local Ray for tests of the thin shells."""
    import ray  # noqa: PLC0415 - takes seconds, and most tests need none

    ray.init(
        address="local", num_cpus=8, num_gpus=0, include_dashboard=False, object_store_memory=100 * 1024**2,
        log_to_driver=False, configure_logging=False, namespace="tests",
    )  # fmt: skip
    yield
    ray.shutdown()
