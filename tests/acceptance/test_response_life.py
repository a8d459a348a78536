"""What can be done with a response that was made: look, cancel, delete, read its input."""

import time
from typing import Any

import openai as sdk_errors
import pytest

from tests.acceptance.asking import SLOW, asked, poll
from tests.acceptance.client import PATIENCE_S, PAUSE_S


def test_cancel_is_final_at_once_and_ends_the_stream(openai: Any) -> None:
    created = openai.responses.create(**asked(SLOW, max_output_tokens=5000, background=True))
    cancelled = openai.responses.cancel(created.id)
    assert (cancelled.status, cancelled.error) == ("cancelled", None)
    assert openai.responses.retrieve(created.id).status == "cancelled"
    assert openai.responses.cancel(created.id) == openai.responses.retrieve(created.id)


def test_what_was_shown_before_a_cancel_stays(openai: Any) -> None:
    stream = openai.responses.create(**asked(SLOW, max_output_tokens=5000, background=True, stream=True))
    created = next(stream).response
    shown = ""
    while len(shown) < 20:
        event = next(stream)
        shown += event.delta if event.type == "response.output_text.delta" else ""
    stream.close()
    openai.responses.cancel(created.id)
    kept = openai.responses.retrieve(created.id)
    assert (kept.status, kept.output[0].status) == ("cancelled", "incomplete")
    assert kept.output_text.startswith(shown)


@pytest.mark.parametrize("finished", [True, False])
def test_what_cannot_be_cancelled_says_so(openai: Any, finished: bool) -> None:
    done = openai.responses.create(**asked(background=finished))
    if finished:
        poll(openai, done)
    with pytest.raises(sdk_errors.BadRequestError, match=r"Cannot cancel|background"):
        openai.responses.cancel(done.id)


def test_a_deleted_response_is_gone_for_everybody(openai: Any) -> None:
    done = openai.responses.create(**asked())
    openai.responses.delete(done.id)
    for look in (openai.responses.retrieve, openai.responses.cancel, openai.responses.input_items.list):
        with pytest.raises(sdk_errors.NotFoundError):
            look(done.id)
    with pytest.raises(sdk_errors.NotFoundError):
        openai.responses.delete(done.id)
    with pytest.raises(sdk_errors.BadRequestError) as caught:
        openai.responses.create(**asked(previous_response_id=done.id))
    assert caught.value.code == "previous_response_not_found"


def test_deleting_what_runs_cancels_it(openai: Any) -> None:
    created = openai.responses.create(**asked(SLOW, max_output_tokens=5000, background=True))
    openai.responses.delete(created.id)
    with pytest.raises(sdk_errors.NotFoundError):
        openai.responses.retrieve(created.id)


def test_a_child_outlives_its_parent(openai: Any) -> None:
    parent = openai.responses.create(**asked(input="First."))
    child = openai.responses.create(**asked(input="Second.", previous_response_id=parent.id))
    openai.responses.delete(parent.id)
    grandchild = openai.responses.create(**asked(input="Third.", previous_response_id=child.id))
    turns = [
        {"role": "user", "content": "First."},
        {"role": "assistant", "content": parent.output_text},
        {"role": "user", "content": "Second."},
        {"role": "assistant", "content": child.output_text},
        {"role": "user", "content": "Third."},
    ]
    assert grandchild.output_text == openai.responses.create(**asked(input=turns)).output_text


def test_input_items_are_listed_in_pages(openai: Any) -> None:
    turns: list[Any] = [{"role": "user", "content": f"Number {number}."} for number in range(5)]
    done = openai.responses.create(**asked(input=turns))
    newest = list(openai.responses.input_items.list(done.id, limit=2))
    assert [item.content[0].text for item in newest] == [f"Number {number}." for number in (4, 3, 2, 1, 0)]
    oldest = openai.responses.input_items.list(done.id, order="asc", limit=3)
    assert [item.content[0].text for item in oldest.data] == ["Number 0.", "Number 1.", "Number 2."]
    assert oldest.has_more
    assert len({item.id for item in newest}) == 5


def test_input_tokens_are_counted_without_a_job(openai: Any) -> None:
    counted = openai.responses.input_tokens.count(model="scripted", input="one two three")
    assert counted.object == "response.input_tokens"
    response = openai.responses.create(**asked(input="one two three"))
    assert response.usage is not None
    assert counted.input_tokens == response.usage.input_tokens


def test_a_foreground_client_that_leaves_ends_its_response(openai: Any) -> None:
    stream = openai.responses.create(**asked(SLOW, max_output_tokens=5000, stream=True))
    response_id = next(stream).response.id
    stream.close()
    give_up_at = time.monotonic() + PATIENCE_S
    while openai.responses.retrieve(response_id).status != "cancelled":
        assert time.monotonic() < give_up_at
        time.sleep(PAUSE_S)


def test_a_background_client_that_leaves_after_the_first_event_ends_nothing(openai: Any) -> None:
    stream = openai.responses.create(**asked(background=True, stream=True))
    created = next(stream).response
    stream.close()
    assert poll(openai, created).status == "completed"
