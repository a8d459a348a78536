"""Templates of prompts as clients see them."""

from pathlib import Path
from typing import Any

import pytest

from deployments.history.prompts import UnknownTemplateError
from pipelines.errors import RejectError
from tests.history_house import TENANT, HistoryHouse

GREETING = [
    {"role": "developer", "content": "You are {{ mood }}."},
    {"role": "user", "content": "Greet {{name}} for me."},
]


@pytest.fixture
def house(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path)


async def create(house: HistoryHouse, template: Any = GREETING) -> str:
    return str((await house.history.prompt_create(TENANT, "greeting", template))["id"])


async def texts(house: HistoryHouse, prompt_id: str, version: str | None = None, **variables: Any) -> list[str]:
    filled = await house.history.prompt_render(TENANT, prompt_id, version, variables)
    return [message["content"] for message in filled["messages"]]


async def test_a_template_is_shown_as_it_was_made(house: HistoryHouse) -> None:
    template = {"messages": GREETING, "model": "scripted", "params": {"temperature": 0.5}}
    made = await house.history.prompt_create(TENANT, "greeting", template)
    assert made["id"].startswith("pmpt_")
    assert made == {
        "id": made["id"],
        "object": "prompt",
        "name": "greeting",
        "version": "1",
        "is_default": True,
        "template": template,
        "variables": ["mood", "name"],
        "created_at": int(house.clock.time),
    }
    assert await house.history.prompt(TENANT, made["id"], "1") == made


async def test_variables_fill_every_message_and_are_not_read_again(house: HistoryHouse) -> None:
    name = await create(house)
    part = {"type": "input_text", "text": "{{ mood }}"}
    assert await texts(house, name, mood="kind", name=part) == ["You are kind.", "Greet {{ mood }} for me."]


async def test_a_version_is_used_once_it_is_named_or_the_default(house: HistoryHouse) -> None:
    name = await create(house, "One")
    second = await house.history.prompt_add_version(TENANT, name, "Two")
    assert (second["version"], second["is_default"]) == ("2", False)
    assert [await texts(house, name), await texts(house, name, "2")] == [["One"], ["Two"]]
    assert (await house.history.prompt_set_default(TENANT, name, "2"))["version"] == "2"
    assert [await texts(house, name), await texts(house, name, "1")] == [["Two"], ["One"]]
    for version in ("3", "0", "02", "\uff12", "two", ""):
        with pytest.raises(UnknownTemplateError):
            await house.history.prompt_set_default(TENANT, name, version)
        with pytest.raises(UnknownTemplateError):
            await house.history.prompt(TENANT, name, version)


async def test_templates_of_files_are_built_in(house: HistoryHouse) -> None:
    name = await create(house)
    page = await house.history.prompts(TENANT, None, 10)
    assert [prompt["id"] for prompt in page["data"]] == [name, "explain"]
    rest = await house.history.prompts(TENANT, name, 10)
    assert [prompt["id"] for prompt in rest["data"]] == ["explain"]
    assert (await house.history.prompts(TENANT, "explain", 10))["data"] == []
    filled = await texts(house, "explain", topic="tides", audience="children")
    assert filled[1] == "Explain tides to children."
    for attempt in (
        house.history.prompt_delete(TENANT, "explain"),
        house.history.prompt_add_version(TENANT, "explain", "x"),
    ):
        with pytest.raises(RejectError):
            await attempt
    with pytest.raises(LookupError):
        await house.history.prompts(TENANT, "pmpt_unknown", 10)


@pytest.mark.parametrize(
    "template",
    [
        "{{ name",
        "{% for i in range(9) %}{{ i }}{% endfor %}",
        "{{ name * 1000000 }}",
        "{{ name.__class__ }}",
        [],
        7,
        None,
        [{"role": "nobody", "content": "Hi"}],
        {"messages": GREETING, "more": 1},
    ],
)
async def test_what_is_no_template_is_rejected(template: Any, house: HistoryHouse) -> None:
    with pytest.raises(RejectError):
        await create(house, template)


@pytest.mark.parametrize("variables", [{}, {"mood": "kind"}, {"mood": "kind", "name": {"type": "input_image"}}])
async def test_variables_that_are_missing_or_no_text_are_rejected(
    variables: dict[str, Any], house: HistoryHouse
) -> None:
    name = await create(house)
    with pytest.raises(RejectError):
        await texts(house, name, **variables)


async def test_a_deleted_template_and_another_tenants_look_unknown(house: HistoryHouse) -> None:
    name = await create(house)
    with pytest.raises(UnknownTemplateError):
        await house.history.prompt("another", name)
    with pytest.raises(UnknownTemplateError):
        await house.history.prompt_delete("another", name)
    assert await house.history.prompt_delete(TENANT, name) == {"id": name, "object": "prompt.deleted", "deleted": True}
    with pytest.raises(UnknownTemplateError):
        await house.history.prompt_render(TENANT, name, None, {})
