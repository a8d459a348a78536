"""What the unit tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ingestion_house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Ingestion on in-memory parts."""
    house = House(tmp_path)
    yield house
    await house.close()
