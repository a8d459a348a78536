"""Direct requests where there is no replica until there is work."""

from typing import Any

import pytest
from openai import OpenAI

from tests.integration.conftest import MODEL, RayServer
from tests.servers import until

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(600)]

HI: Any = [{"role": "user", "content": "Hi"}]


def test_a_direct_request_starts_a_replica_and_is_answered(elastic: RayServer) -> None:
    until(lambda: not elastic.find("ServeReplica:inference.scripted"), seconds=120, what="no replica before it")
    with OpenAI(base_url=f"{elastic.url}/v1", api_key="none", max_retries=5, _strict_response_validation=True) as sdk:
        answer = sdk.chat.completions.create(model=MODEL, messages=HI)
    assert answer.choices[0].message.content
