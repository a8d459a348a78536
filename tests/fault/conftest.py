from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import CONFIGS
from tests.servers import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(CONFIGS / "scripted.yaml", tmp_path_factory.mktemp("fault") / "data", model="scripted")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
