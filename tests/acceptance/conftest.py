"""A real server for the acceptance tests, in each wiring: the same tests judge all of them."""

import pytest

from tests.servers import ServerProcess

WIRINGS = ["monolith", "event_driven"]


@pytest.fixture(scope="session", params=WIRINGS)
def server(request: pytest.FixtureRequest) -> ServerProcess:
    """One server per wiring for the whole session."""
    server: ServerProcess = request.getfixturevalue(request.param)
    return server
