"""`Idempotency-Key` over HTTP."""

import asyncio

from tests.ingestion_house import House

KEY = {"Idempotency-Key": "once"}


async def test_the_same_key_and_body_give_the_same_job(house: House) -> None:
    replies = await asyncio.gather(
        *(house.client.post("/async-generate", content=body, headers=KEY) for body in (_BODY, _REORDERED))
    )
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.json()["job_id"] for reply in replies}) == 1
    assert sorted(reply.headers.get("idempotent-replayed", "") for reply in replies) == ["", "true"]


async def test_a_replay_tells_where_the_job_stands(house: House) -> None:
    body = {"model": "scripted", "input": "Hi", "background": True}
    first = (await house.client.post("/v1/responses", json=body, headers=KEY)).json()
    job = await house.start()
    await house.write(job, ["Hello"])
    await house.complete(job)
    await house.seal()
    again = await house.client.post("/v1/responses", json=body, headers=KEY)
    assert (again.json()["id"], again.json()["status"]) == (first["id"], "completed")
    assert again.headers["idempotent-replayed"] == "true"


async def test_another_body_under_the_key_is_a_conflict_that_is_not_tried_again(house: House) -> None:
    await house.client.post("/async-generate", content=_BODY, headers=KEY)
    reply = await house.client.post("/async-generate", json={"model": "scripted", "prompt": "Ho"}, headers=KEY)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert reply.headers["x-should-retry"] == "false"


async def test_each_route_has_keys_of_its_own(house: House) -> None:
    first = await house.client.post("/async-generate", content=_BODY, headers=KEY)
    body = {"model": "scripted", "input": "Hi", "background": True}
    second = await house.client.post("/v1/responses", json=body, headers=KEY)
    assert second.status_code == 200
    assert second.json()["id"] != first.json()["job_id"]


async def test_a_refused_request_burns_no_key(house: House) -> None:
    refused = await house.client.post("/async-generate", json={"model": "nobody", "prompt": "Hi"}, headers=KEY)
    assert refused.status_code == 404
    accepted = await house.client.post("/async-generate", content=_BODY, headers=KEY)
    assert (accepted.status_code, accepted.headers.get("idempotent-replayed")) == (202, None)


async def test_a_key_that_is_too_long_is_refused(house: House) -> None:
    reply = await house.client.post("/async-generate", content=_BODY, headers={"Idempotency-Key": "k" * 256})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "Idempotency-Key")


_BODY = '{"model": "scripted", "prompt": "Hi"}'
_REORDERED = '{"prompt":"Hi","model":"scripted"}'
