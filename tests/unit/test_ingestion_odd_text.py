"""Characters that stores, protocols and paths are afraid of: they are text like any other, or a clear 4xx."""

import json
from typing import Any

import pytest

from tests.ingestion_house import House

KEYS = {"message", "type", "param", "code"}
ODD = ["%00", "a%00b", "%ff", "%ed%a0%80", "%F0%9F%98%80", "%0a", "x" * 3000]
NUL = "a\0b"


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/{}",
        "/jobs/{}/events",
        "/jobs?after={}",
        "/jobs?status={}",
        "/dead-letters/{}",
        "/v1/models/{}",
        "/v1/responses/{}",
        "/v1/responses/{}/input_items",
        "/v1/responses/resp_1?include[]={}",
        "/v1/conversations/{}",
        "/v1/conversations/conv_{}/items",
        "/v1/prompts/{}",
        "/v1/prompts?after={}",
        "/v1/prompts?limit={}",
    ],
)
async def test_an_odd_id_or_parameter_names_nothing(house: House, path: str) -> None:
    for odd in ODD:  # with one house: it takes longer to build than to ask
        reply = await house.client.get(path.format(odd))
        assert reply.status_code in (400, 404), odd
        assert set(reply.json()["error"]) == KEYS


async def test_a_nul_in_a_text_comes_back_as_it_was(house: House) -> None:
    metadata, turn = {NUL: NUL}, {"id": NUL, "role": "user", "content": NUL}
    made = (await house.client.post("/v1/conversations", json={"metadata": metadata, "items": [turn]})).json()
    (item,) = (await house.client.get(f"/v1/conversations/{made['id']}/items")).json()["data"]
    assert (made["metadata"], item["id"], item["content"][0]["text"]) == (metadata, NUL, NUL)
    prompt = (await house.client.post("/v1/prompts", json={"name": NUL, "template": NUL})).json()
    assert prompt["name"] == NUL
    assert (await house.client.get(f"/v1/conversations/{made['id']}/items/a%00b")).json()["id"] == NUL


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/async-generate", {"model": "scripted", "prompt": "\ud800"}),
        ("/v1/responses", {"model": "scripted", "input": "Hi", "metadata": {"\udfff": ""}}),
        ("/v1/chat/completions", {"model": "scripted", "messages": [{"role": "user", "content": "\ud800"}]}),
        ("/v1/completions", {"model": "scripted", "prompt": "Hi", "stop": ["\ud800"]}),
        ("/v1/conversations", {"metadata": {"a": "\ud800"}}),
        ("/v1/prompts", {"name": "\ud800", "template": "Hi"}),
        ("/dead-letters/redrive", {"filter": {"model": "\ud800"}}),
    ],
)
async def test_half_a_character_is_no_json(house: House, path: str, body: dict[str, Any]) -> None:
    reply = await house.client.post(path, content=json.dumps(body), headers={"idempotency-key": "a"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("depth", [100, 300, 3000])
async def test_a_schema_that_is_nested_deeply_is_taken_or_refused(house: House, depth: int) -> None:
    schema = '{"items":' * depth + "{}" + "}" * depth
    tools = f'[{{"type": "function", "name": "f", "parameters": {schema}}}]'
    body = f'{{"model": "scripted", "input": "Hi", "background": true, "tools": {tools}}}'
    reply = await house.client.post("/v1/responses", content=body)
    assert reply.status_code in (200, 400)
