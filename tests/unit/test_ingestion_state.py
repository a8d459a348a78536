"""What responses go on from: earlier ones, conversations, templates; and the routes that keep them."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from pipelines.jobs import ClaimedJob
from pipelines.payloads import Request
from tests.ingestion_house import House

GOOD: dict[str, Any] = {"model": "scripted", "input": "Hi", "background": True}
TENANT = "default"


async def work(house: House) -> ClaimedJob:
    """The next job, from its first to its last word."""
    job = await house.next_job()
    await house.write(job, ["Hello", " there"])
    await house.complete(job)
    await house.seal()
    return job


async def request_of(house: House, job_id: str) -> Request:
    (job,) = await house.journal.jobs(TENANT, [job_id])
    assert job is not None
    (data,) = await house.service._blobs.get_many([(TENANT, job.request, None)])
    return Request.model_validate_json(data)


async def create(house: House, **changes: Any) -> str:
    reply = await house.client.post("/v1/responses", json=GOOD | changes)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [item["content"][0]["text"] for item in items]


async def test_a_response_goes_on_from_an_earlier_one(house: House, sdk: AsyncOpenAI) -> None:
    first = await create(house)
    await work(house)
    second = await create(house, input="And?", previous_response_id=first)
    assert (await sdk.responses.retrieve(second)).previous_response_id == first
    await work(house)
    third = await request_of(house, await create(house, input="So?", previous_response_id=second))
    assert len(third.context) == 2
    assert third.parent_rendered is not None
    assert texts(third.input or []) == ["So?"]


@pytest.mark.parametrize("end", ["unknown", "queued", "cancelled", "deleted", "not stored"])
async def test_nothing_goes_on_from_what_is_not_there(house: House, end: str) -> None:
    previous = "resp_x"
    if end in ("queued", "cancelled"):
        previous = await create(house)
    if end == "cancelled":
        await house.service.cancel(previous)
    if end == "deleted":
        previous = await house.run()
        assert (await house.client.delete(f"/v1/responses/{previous}")).json()["deleted"] is True
    if end == "not stored":
        body = {"model": "scripted", "input": "Hi", "store": False}
        asking = asyncio.create_task(house.client.post("/v1/responses", json=body))
        await work(house)
        previous = (await asking).json()["id"]
    reply = await house.client.post("/v1/responses", json=GOOD | {"previous_response_id": previous})
    error = reply.json()["error"]
    code = "invalid_value" if end in ("queued", "cancelled") else "previous_response_not_found"
    assert (reply.status_code, error["code"], error["param"]) == (400, code, "previous_response_id")


async def test_the_items_of_an_input_are_listed_in_pages(sdk: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": word} for word in ("a", "b", "c")]
    created = await sdk.responses.create(model="scripted", input=said, background=True)
    page = await sdk.responses.input_items.list(created.id, limit=2, order="asc")
    assert (len(page.data), page.has_more) == (2, True)
    assert texts([item.to_dict() async for item in page]) == ["a", "b", "c"]
    assert texts([item.to_dict() async for item in sdk.responses.input_items.list(created.id)]) == ["c", "b", "a"]
    with pytest.raises(openai.BadRequestError):
        await sdk.responses.input_items.list(created.id, after="msg_x")


async def test_a_deleted_response_is_gone(house: House, sdk: AsyncOpenAI) -> None:
    created = await sdk.responses.create(model="scripted", input="Hi", background=True)
    await sdk.responses.delete(created.id)
    for look in (sdk.responses.retrieve, sdk.responses.cancel, sdk.responses.delete, sdk.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            await look(created.id)
    assert (await house.client.get(f"/jobs/{created.id}")).status_code == 404


async def test_a_conversation_grows_with_its_responses(house: House, sdk: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": "I am Ada."}]
    conversation = await sdk.conversations.create(items=said, metadata={"a": "b"})
    created = await sdk.responses.create(model="scripted", input="Who?", background=True, conversation=conversation.id)
    assert created.conversation is not None
    assert created.conversation.id == conversation.id
    assert texts((await request_of(house, created.id)).before) == ["I am Ada."]
    with pytest.raises(openai.ConflictError) as caught:
        await sdk.responses.create(model="scripted", input="Who?", background=True, conversation=conversation.id)
    assert caught.value.code == "conversation_locked"
    assert caught.value.response.headers["retry-after"] == "1"
    await work(house)
    items = [item.to_dict() async for item in sdk.conversations.items.list(conversation.id, order="asc")]
    assert texts(items) == ["I am Ada.", "Who?", "Hello there"]


async def test_a_conversation_is_kept_by_its_routes(sdk: AsyncOpenAI) -> None:
    conversation = await sdk.conversations.create()
    updated = await sdk.conversations.update(conversation.id, metadata={"a": "b"})
    assert (await sdk.conversations.retrieve(conversation.id)) == updated
    said: Any = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    added = await sdk.conversations.items.create(conversation.id, items=said)
    assert texts([item.to_dict() for item in added.data]) == ["one", "two"]
    one = await sdk.conversations.items.retrieve(added.first_id, conversation_id=conversation.id)
    assert texts([one.to_dict()]) == ["one"]
    assert (await sdk.conversations.items.delete(added.first_id, conversation_id=conversation.id)).id == conversation.id
    with pytest.raises(openai.NotFoundError):
        await sdk.conversations.items.retrieve(added.first_id, conversation_id=conversation.id)
    assert (await sdk.conversations.delete(conversation.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await sdk.conversations.retrieve(conversation.id)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("GET", "/nonsense", None, 400, "conversation_id"),
        ("GET", "/conv_0000000000000000000000000000", None, 404, None),
        ("POST", "", {"items": [{"role": "user", "content": "x"}] * 21}, 400, "items"),
        ("POST", "", {"items": [{"id": "msg_1"}]}, 400, "items"),
        ("POST", "", {"metadata": {"a": 5}}, 400, "metadata.a"),
        ("POST", "/conv_0000000000000000000000000000", {}, 400, "metadata"),
        ("POST", "/conv_0000000000000000000000000000/items", {"items": []}, 400, "items"),
        ("GET", "/conv_0000000000000000000000000000/items?limit=0", None, 400, "limit"),
    ],
)
async def test_bad_input_to_conversations_is_refused(
    house: House, method: str, path: str, body: Any, status: int, param: str | None
) -> None:
    reply = await house.client.request(method, f"/v1/conversations{path}", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


async def test_an_unknown_conversation_is_not_found(house: House) -> None:
    reply = await house.client.post("/v1/responses", json=GOOD | {"conversation": "conv_0000000000000000000000000000"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "conversation_not_found")


async def test_a_template_gives_what_the_request_does_not_say(house: House) -> None:
    template = {
        "messages": [{"role": "developer", "content": "Be {{ mood }}."}],
        "model": "scripted",
        "params": {"temperature": 0.5, "top_p": 0.5, "background": False},
    }
    made = (await house.client.post("/v1/prompts", json={"name": "mood", "template": template})).json()
    assert made["version"] == "1"
    prompt = {"id": made["id"], "variables": {"mood": "kind"}}
    body = {"input": "Hi", "prompt": prompt, "background": True, "temperature": 1.5}
    response = (await house.client.post("/v1/responses", json=body)).json()
    assert response["prompt"] == {"id": made["id"], "version": "1", "variables": {"mood": "kind"}}
    assert (response["model"], response["temperature"], response["top_p"]) == ("scripted", 1.5, 0.5)
    request = await request_of(house, response["id"])
    assert texts(request.input or []) == ["Be kind.", "Hi"]


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [
        ({"id": "pmpt_x"}, 404, "prompt_not_found"),
        ({"id": "explain", "version": "99"}, 404, "prompt_not_found"),
        ({"id": "explain", "variables": {"topic": "rain"}}, 400, "missing_required_parameter"),
        ({"id": "explain", "variables": {"topic": {"type": "input_image"}}}, 400, "invalid_type"),
    ],
)
async def test_a_template_that_cannot_be_filled_is_refused(
    house: House, prompt: dict[str, Any], status: int, code: str
) -> None:
    reply = await house.client.post("/v1/responses", json={"model": "scripted", "prompt": prompt})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


async def test_the_versions_of_a_template_never_change(house: House) -> None:
    client = house.client
    made = (await client.post("/v1/prompts", json={"name": "x", "template": "One {{a}}"})).json()
    path = f"/v1/prompts/{made['id']}"
    second = (await client.post(f"{path}/versions", json={"template": "Two"})).json()
    assert (second["version"], second["is_default"]) == ("2", False)
    assert (await client.get(path)).json() == made
    assert (await client.post(f"{path}/default", json={"version": "2"})).json()["version"] == "2"
    assert (await client.get(path)).json()["version"] == "2"
    assert (await client.get(f"{path}?version=1")).json()["template"] == made["template"]
    listed = (await client.get("/v1/prompts?limit=1")).json()
    assert ([each["id"] for each in listed["data"]], listed["has_more"]) == ([made["id"]], True)
    assert (await client.delete(path)).json() == {"id": made["id"], "object": "prompt.deleted", "deleted": True}
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"name": "x"}, 400),
        ("POST", "", {"name": "x", "template": 5}, 400),
        ("POST", "", {"name": "x", "template": []}, 400),
        ("POST", "", {"name": "x", "template": "{% for a in b %}{% endfor %}"}, 400),
        ("POST", "/explain/versions", {"template": "x"}, 400),
        ("POST", "/pmpt_x/versions", {"template": "x"}, 404),
        ("POST", "/pmpt_x/default", {"version": "1"}, 404),
        ("GET", "?after=pmpt_x", None, 400),
        ("DELETE", "/pmpt_x", None, 404),
    ],
)
async def test_bad_input_to_templates_is_refused(house: House, method: str, path: str, body: Any, status: int) -> None:
    reply = await house.client.request(method, f"/v1/prompts{path}", json=body)
    assert reply.status_code == status, reply.text
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


async def test_the_tokens_of_an_input_are_counted_with_what_precedes_it(house: House, sdk: AsyncOpenAI) -> None:
    first = await house.run(prompt="one two")
    alone = await sdk.responses.input_tokens.count(model="scripted", input="three")
    assert alone.object == "response.input_tokens"
    both = await sdk.responses.input_tokens.count(model="scripted", input="three", previous_response_id=first)
    assert both.input_tokens > alone.input_tokens
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.input_tokens.count(model="nobody", input="three")


async def test_a_key_gives_the_turn_that_holds_the_conversation(house: House, sdk: AsyncOpenAI) -> None:
    conversation = await sdk.conversations.create()
    body = GOOD | {"conversation": conversation.id}
    replies = [
        await house.client.post("/v1/responses", json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[0].json()["id"] == replies[1].json()["id"]
