"""Conversations as clients see them."""

from pathlib import Path
from typing import Any

import pytest
from openai.types.conversations import Conversation

from deployments.history.conversations import ENTRIES_PER_READ, UnknownConversationError, UnknownItemError
from pipelines.payloads import Request
from tests.history_house import TENANT, HistoryHouse, item


@pytest.fixture
def house(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path)


async def begin(house: HistoryHouse, *items: dict[str, Any]) -> str:
    conversation = await house.history.conversation_create(TENANT, items, {"a": "b"})
    return Conversation.model_validate(conversation).id


async def ids(house: HistoryHouse, name: str) -> list[str]:
    return [found["id"] for found in await house.history.conversation_context(TENANT, name)]


async def test_a_conversation_is_made_changed_and_deleted(house: HistoryHouse) -> None:
    name = await begin(house)
    assert (await house.history.conversation(TENANT, name))["metadata"] == {"a": "b"}
    assert (await house.history.conversation_update(TENANT, name, {"c": "d"}))["metadata"] == {"c": "d"}
    deleted = await house.history.conversation_delete(TENANT, name)
    assert deleted == {"id": name, "object": "conversation.deleted", "deleted": True}
    with pytest.raises(UnknownConversationError):
        await house.history.conversation(TENANT, name)


async def test_given_items_and_the_turns_of_jobs_are_one_list(house: HistoryHouse) -> None:
    name = await begin(house, item("msg_1"), item("msg_2"))
    asked = Request(model="scripted", input=[item("msg_3")], before=[item("msg_1"), item("msg_2")], conversation=name)
    await house.accept(0, asked, conversation=name)
    assert await ids(house, name) == ["msg_1", "msg_2"]
    await house.complete([item("rs_4"), item("msg_5", role="assistant")])
    added = await house.history.conversation_add(TENANT, name, [item("msg_6")])
    assert (added["first_id"], added["has_more"]) == ("msg_6", False)
    assert await ids(house, name) == ["msg_1", "msg_2", "msg_3", "rs_4", "msg_5", "msg_6"]


async def test_an_item_is_shown_and_removed_by_its_id(house: HistoryHouse) -> None:
    name = await begin(house, item("msg_1"), item("msg_2", "Second"))
    await house.accept(0, Request(model="scripted", input=[item("msg_3")], conversation=name), conversation=name)
    await house.complete([item("msg_4", role="assistant")])
    assert await house.history.conversation_item(TENANT, name, "msg_2") == item("msg_2", "Second")
    for gone in ("msg_2", "msg_4"):
        assert (await house.history.conversation_remove_item(TENANT, name, gone))["id"] == name
        for question in (house.history.conversation_item, house.history.conversation_remove_item):
            with pytest.raises(UnknownItemError):
                await question(TENANT, name, gone)
    assert await ids(house, name) == ["msg_1", "msg_3"]


@pytest.mark.parametrize("ascending", [True, False])
async def test_pages_in_both_directions_hold_every_item_once(house: HistoryHouse, *, ascending: bool) -> None:
    expected = [f"msg_{number}" for number in range(ENTRIES_PER_READ * 3)]
    name = await begin(house)
    for start in range(0, len(expected), 2):
        await house.history.conversation_add(TENANT, name, [item(each) for each in expected[start : start + 2]])
    found: list[str] = []
    page: dict[str, Any] = {"last_id": None, "has_more": True}
    while page["has_more"]:
        page = await house.history.conversation_items(TENANT, name, page["last_id"], 7, ascending=ascending)
        found += [each["id"] for each in page["data"]]
    assert found == (expected if ascending else expected[::-1])
    with pytest.raises(LookupError):
        await house.history.conversation_items(TENANT, name, "msg_unknown", 7, ascending=ascending)


async def test_another_tenants_conversation_looks_unknown(house: HistoryHouse) -> None:
    name, history = await begin(house, item("msg_1")), house.history
    for question in (
        history.conversation("another", name),
        history.conversation_update("another", name, {}),
        history.conversation_delete("another", name),
        history.conversation_add("another", name, [item("msg_2")]),
        history.conversation_items("another", name, None, 7, ascending=True),
        history.conversation_item("another", name, "msg_1"),
        history.conversation_remove_item("another", name, "msg_1"),
        history.conversation_context("another", name),
    ):
        with pytest.raises(UnknownConversationError):
            await question
    assert await ids(house, name) == ["msg_1"]
