"""The WebSocket mode of the Responses API, through the real SDK."""

from typing import Any

import pytest

from tests.acceptance.asking import asked

# The SDK connects in a way that `websockets` no longer recommends.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")


def turn(connection: Any, **options: Any) -> list[Any]:
    """The events of one response."""
    connection.response.create(**asked(**options))
    events = []
    for event in connection:
        events.append(event)
        if event.type in ("response.completed", "response.failed", "response.incomplete", "error"):
            break
    return events


def test_turns_follow_each_other_on_one_connection(openai: Any) -> None:
    with openai.responses.connect() as connection:
        first = turn(connection)
        assert [event.sequence_number for event in first] == list(range(len(first)))
        whole = openai.responses.create(**asked())
        assert first[-1].response.output_text == whole.output_text
        assert first[-1].response.usage == whole.usage
        second = turn(connection, previous_response_id=first[-1].response.id, store=False)
        third = turn(connection, previous_response_id=second[-1].response.id, store=False)
        assert third[-1].type == "response.completed"
    with openai.responses.connect() as connection:
        (refused,) = turn(connection, previous_response_id=third[-1].response.id)
        assert (refused.type, refused.error.code) == ("error", "previous_response_not_found")
        assert turn(connection)[-1].type == "response.completed"
