"""State: earlier turns, conversations, prompt templates, what is not stored."""

from typing import Any

import openai as sdk_errors
import pytest

from tests.acceptance.asking import SLOW, asked

TURNS = [{"role": "user", "content": "First."}, {"role": "assistant", "content": "Yes."}]


def test_a_chain_says_what_the_whole_input_would(openai: Any) -> None:
    first = openai.responses.create(**asked(input="First.", instructions="Be brief."))
    second = openai.responses.create(**asked(input="Second.", previous_response_id=first.id))
    assert (second.previous_response_id, second.instructions) == (first.id, None)
    turns = [
        {"role": "user", "content": "First."},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "Second."},
    ]
    assert second.output_text == openai.responses.create(**asked(input=turns)).output_text
    assert [item.content[0].text for item in openai.responses.input_items.list(second.id)] == ["Second."]


def test_a_parent_must_be_stored_and_finished(openai: Any) -> None:
    unstored = openai.responses.create(**asked(store=False))
    running = openai.responses.create(**asked(SLOW, max_output_tokens=5000, background=True))
    for parent in (unstored.id, "resp_1"):
        with pytest.raises(sdk_errors.BadRequestError) as caught:
            openai.responses.create(**asked(previous_response_id=parent))
        assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
    with pytest.raises(sdk_errors.BadRequestError):
        openai.responses.create(**asked(previous_response_id=running.id))
    openai.responses.cancel(running.id)


def test_what_is_not_stored_cannot_be_looked_up(openai: Any) -> None:
    response = openai.responses.create(**asked(store=False))
    assert (response.status, response.store) == ("completed", False)
    with pytest.raises(sdk_errors.NotFoundError):
        openai.responses.retrieve(response.id)
    with pytest.raises(sdk_errors.BadRequestError):
        openai.responses.create(**asked(store=False, background=True))


def test_a_conversation_grows_by_both_sides(openai: Any) -> None:
    conversation = openai.conversations.create(items=TURNS, metadata={"topic": "light"})
    response = openai.responses.create(**asked(input="Second.", conversation=conversation.id))
    assert response.conversation is not None
    assert response.conversation.id == conversation.id
    alone = openai.responses.create(**asked(input=[*TURNS, {"role": "user", "content": "Second."}]))
    assert response.output_text == alone.output_text
    items: list[Any] = list(openai.conversations.items.list(conversation.id, order="asc", limit=2))
    assert [item.content[0].text for item in items] == ["First.", "Yes.", "Second.", response.output_text]
    assert [item.role for item in items] == ["user", "assistant", "user", "assistant"]
    assert openai.conversations.items.retrieve(items[0].id, conversation_id=conversation.id) == items[0]


def test_a_conversation_can_be_changed_and_deleted(openai: Any) -> None:
    conversation = openai.conversations.create()
    assert openai.conversations.update(conversation.id, metadata={"a": "b"}).metadata == {"a": "b"}
    added = openai.conversations.items.create(conversation.id, items=TURNS)
    assert [item.role for item in added.data] == ["user", "assistant"]
    openai.conversations.items.delete(added.first_id, conversation_id=conversation.id)
    assert [item.id for item in openai.conversations.items.list(conversation.id)] == [added.last_id]
    assert openai.conversations.delete(conversation.id).deleted
    with pytest.raises(sdk_errors.NotFoundError):
        openai.conversations.retrieve(conversation.id)
    with pytest.raises(sdk_errors.NotFoundError):
        openai.responses.create(**asked(conversation=conversation.id))


def test_a_conversation_and_a_parent_exclude_each_other(openai: Any) -> None:
    with pytest.raises(sdk_errors.BadRequestError):
        openai.responses.create(**asked(conversation="conv_1", previous_response_id="resp_1"))


def test_a_prompt_has_versions_and_variables(openai: Any) -> None:
    def post(path: str, **body: Any) -> dict[str, Any]:
        answer: Any = openai.post(path, body=body, cast_to=object)
        return dict(answer)

    first = post("/prompts", name="greet", template="Greet {{name}}.")
    assert (first["version"], first["is_default"]) == ("1", True)
    second = post(f"/prompts/{first['id']}/versions", template="Greet {{name}} loudly.")
    assert (second["version"], second["is_default"]) == ("2", False)
    used = {"id": first["id"], "variables": {"name": "Ann"}}
    greeting = openai.responses.create(**asked(input="Now.", prompt=used))
    assert greeting.prompt is not None
    assert (greeting.prompt.id, greeting.prompt.version) == (first["id"], "1")
    loud = openai.responses.create(**asked(input="Now.", prompt={**used, "version": "2"}))
    assert loud.output_text != greeting.output_text
    post(f"/prompts/{first['id']}/default", version="2")
    assert openai.responses.create(**asked(input="Now.", prompt=used)).output_text == loud.output_text
    with pytest.raises(sdk_errors.BadRequestError):
        openai.responses.create(**asked(input="Now.", prompt={"id": first["id"]}))
    with pytest.raises(sdk_errors.NotFoundError):
        openai.responses.create(**asked(input="Now.", prompt={**used, "version": "9"}))


def test_metadata_and_echoes_come_back(openai: Any) -> None:
    response = openai.responses.create(**asked(temperature=0.5, top_p=0.25, user="me", safety_identifier="s1"))
    assert (response.temperature, response.top_p, response.user, response.safety_identifier) == (0.5, 0.25, "me", "s1")
    assert (response.service_tier, response.truncation, response.tool_choice) == ("default", "disabled", "auto")
    assert openai.responses.create(**asked(service_tier="fast")).service_tier == "priority"
