"""A real server for the acceptance tests, in each wiring: the same tests judge all of them."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.servers import ServerProcess

WIRINGS = ["monolith", "event_driven", "microservices"]
CALLED_FOR = {  # on microservices: what goes through every service; the rest is left to `make acceptance`
    "test_a_template_becomes_a_stored_result",
    "test_a_reader_sees_events_tokens_and_one_end",
    "test_a_cancelled_job_is_final_at_once",
    "test_every_line_comes_back_once",
    "test_a_required_reranking_is_in_the_events",
}
INGRESSES = [*WIRINGS, "python_proxy"]  # what speaks HTTP to the client: uvicorn, HAProxy, Serve's own proxy


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What only asks the same in another way is left to `make acceptance`."""
    for item in items:
        if _takes_its_time(item):
            item.add_marker("long")


def _takes_its_time(item: pytest.Item) -> bool:
    """The lenient client but on the monolith, Serve's own proxy, thousands of requests that schemathesis makes up."""
    name = getattr(item, "originalname", "")
    ways: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    lenient = ways.get("openai") == "lenient" and ways.get("ingress") != "monolith"
    rest = "microservices" in (ways.get("server"), ways.get("ingress")) and name not in CALLED_FOR
    return lenient or rest or ways.get("ingress") == "python_proxy" or item.path.stem == "test_openapi"


@pytest.fixture(scope="session", params=WIRINGS)
def server(request: pytest.FixtureRequest) -> ServerProcess:
    """One server per wiring for the whole session."""
    server: ServerProcess = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session", params=INGRESSES)
def ingress(request: pytest.FixtureRequest) -> ServerProcess:
    """One server per wiring and ingress."""
    server: ServerProcess = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["strict", "lenient"])
def openai(ingress: ServerProcess, request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    """The real SDK as users have it, and as its own tests have it."""
    strict = request.param == "strict"
    with OpenAI(
        base_url=f"{ingress.url}/v1", api_key="none", max_retries=0, _strict_response_validation=strict
    ) as client:
        yield client
