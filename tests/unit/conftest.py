"""What the unit tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.ingestion_house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Ingestion on in-memory parts."""
    house = House(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def sdk(house: House) -> AsyncIterator[AsyncOpenAI]:
    """The real client, as strict as it can be, without a socket."""
    async with AsyncOpenAI(
        base_url="http://house/v1",
        api_key="none",
        http_client=house.client,  # type: ignore[arg-type]  # the SDK names its own copy of httpx
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client
